/**
 * `npm run play`: a local network, a market, a worker and a gateway that run until Ctrl-C. Exit code 0 after Ctrl-C or
 * SIGTERM, 130 or 143 if it came during the start, 1 if anything failed.
 */
import { parseArgs } from 'node:util';
import { tellFailure } from '../offchain/cli/failure';
import type { Playground } from './lasting';

const PORT = 10000;
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const USAGE = `npm run play -- [--state DIR] [--port N] [--json]
  --state DIR  keeps keys, stores and the chain in DIR; the next run with it goes on from there
  --port N     where the gateway listens, 0 for any free port; ${PORT} unless given
  --json       one JSON object on standard output when everything runs; progress goes to standard error

It runs until Ctrl-C. A second Ctrl-C ends it at once.`;

interface Options {
    state: string | undefined;
    port: number;
    json: boolean;
}

function readOptions(): Options | undefined {
    const { values } = parseArgs({
        options: {
            state: { type: 'string' },
            port: { type: 'string', default: `${PORT}` },
            json: { type: 'boolean', default: false },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        console.log(USAGE);
        return undefined;
    }
    const port = Number(values.port);
    if (!/^\d{1,5}$/.test(values.port) || port > 65535) {
        throw new Error(`--port is a number from 0 to 65535, not "${values.port}"`);
    }
    if (values.state === '') {
        throw new Error('--state is a folder, not ""');
    }
    return { state: values.state, port, json: values.json };
}

/** What a user reads when everything runs. */
function guide(playground: Playground, state?: string): string {
    const { baseUrl, pageUrl, model, chainUrl, registry, network, gatewayConfig, resumed } = playground;
    const at = new URL(pageUrl).origin;
    const chainPort = new URL(chainUrl).port;
    return `
${resumed ? 'The playground runs again as it was.' : 'The playground runs.'} It ends with Ctrl-C.

  base URL   ${baseUrl}   ${resumed ? '(an API key of yours, if you made one)' : '(any API key)'}
  page       ${pageUrl}
  model      ${model}
  chain      ${chainUrl}   (network ${network})
  registry   ${registry}
  config     ${gatewayConfig}
  state      ${state ?? 'goes when it ends; --state DIR keeps it'}

Ask with curl:
  curl ${baseUrl}/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "${model}", "messages": [{"role": "user", "content": "What is a voucher?"}], "max_tokens": 60}'

Ask with the openai package:
  const openai = new OpenAI({ baseURL: '${baseUrl}', apiKey: 'not needed' });
  await openai.chat.completions.create({ model: '${model}', messages: [{ role: 'user', content: 'Hello' }] });

Look and settle:
  npx cocoon gateway status --url ${at}
  npx cocoon gateway jobs --url ${at}
  npx cocoon gateway settle JOB --url ${at}
  npx cocoon gateway usage --url ${at}
  npx cocoon gateway nodes --url ${at}
  npx cocoon receipt verify JOB-QUERY --config ${gatewayConfig}
  npx cocoon keys create --name NAME --daily 1 --url ${at}
  curl ${baseUrl}/models

Try a program of your own, such as that of client/README.md; a new wallet gets coins by its address:
  export TON_ENDPOINT=${chainUrl} REGISTRY=${registry}
  npm run localnet -- wallet
  npm run localnet -- faucet ADDRESS 100 --port ${chainPort}

Let time pass on the chain:
  npm run localnet -- advance 3600 --port ${chainPort}`;
}

async function main(): Promise<void> {
    const options = readOptions();
    if (options === undefined) {
        return;
    }
    const { state, port, json } = options;
    // Loaded after the options are checked, because loading takes longer than checking.
    const { startPlayground } = await import('./lasting');
    const { endAll } = await import('./processes');
    let isRunning = false;
    const stopRequest = new Promise<void>((resolve) => {
        let count = 0;
        for (const [signal, code] of Object.entries(SIGNALS)) {
            process.on(signal, () => {
                if (!isRunning || ++count > 1) {
                    endAll();
                    process.exit(code);
                }
                resolve();
            });
        }
    });
    const begin = performance.now();
    const say = (step: string) => (json ? console.error : console.log)(`${seconds(begin).padStart(5)} s  ${step} …`);
    try {
        const running = await startPlayground({ folder: state, port }, say);
        isRunning = true;
        const { playground } = running;
        console.log(json ? JSON.stringify(playground) : guide(playground, state));
        const failure = await Promise.race([stopRequest, running.failed]);
        await running.close();
        if (failure !== undefined) {
            throw new Error(failure);
        }
        (json ? console.error : console.log)('The playground has ended.');
    } finally {
        endAll();
    }
}

const seconds = (begin: number) => ((performance.now() - begin) / 1000).toFixed(1);

main().catch((error: unknown) => {
    console.error(`play: ${tellFailure(error)}`);
    process.exitCode = 1;
});
