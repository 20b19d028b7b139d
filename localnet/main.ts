/** Runs a local network until it is told to stop. */
import { parseArgs } from 'node:util';
import { PRICE_LEVELS, startLocalnet } from './index';

const HELP = `Usage: npx ts-node --transpile-only localnet/main.ts [options]

A local TON network behind the TON HTTP API v2, on 127.0.0.1 and in memory.

  --port N          port to listen on, 0 for any (default 18081)
  --prices LEVEL    ${PRICE_LEVELS.join(' | ')} (default 2026)
  --clock MODE      wall | manual (default wall: real time plus what is advanced)
  --now SECONDS     unix time to start at (default real time)
  --network-id=N    what GLOBALID answers (default -239; testnet is -3)
  --help            this text
`;

async function main(): Promise<void> {
    const { values } = parseArgs({
        options: {
            port: { type: 'string', default: '18081' },
            prices: { type: 'string', default: '2026' },
            clock: { type: 'string', default: 'wall' },
            now: { type: 'string' },
            'network-id': { type: 'string' },
            help: { type: 'boolean', default: false },
        },
    });
    if (values.help) {
        process.stdout.write(HELP);
        return;
    }
    const localnet = await startLocalnet({
        port: integer('port', values.port),
        prices: oneOf('prices', PRICE_LEVELS, values.prices),
        clock: oneOf('clock', ['wall', 'manual'] as const, values.clock),
        now: values.now === undefined ? undefined : integer('now', values.now),
        networkId: values['network-id'] === undefined ? undefined : integer('network-id', values['network-id']),
    });
    console.log(`localnet listens on ${localnet.url} (prices ${values.prices}, network id ${localnet.networkId})`);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => void localnet.close());
    }
}

function integer(name: string, text: string): number {
    if (!/^-?\d+$/.test(text)) {
        throw new Error(`--${name} must be a whole number, not ${text}`);
    }
    return Number(text);
}

function oneOf<T extends string>(name: string, allowed: readonly T[], text: string): T {
    if (!allowed.includes(text as T)) {
        throw new Error(`--${name} must be one of ${allowed.join(', ')}, not ${text}`);
    }
    return text as T;
}

main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
});
