/**
 * `cocoon gateway …`. `up` runs the gateway. Every other command asks the one that runs, because only one process may
 * use the store and the keys.
 */
import { Command, InvalidArgumentError } from 'commander';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayFlags } from '../gateway/config';
import { JobView, jobView, StatusView, statusView, UsageView, usageView, nodeView } from '../gateway/views';
import { tellFailure } from './failure';
import { askGateway } from './gatewayClient';
import { addDemand, nodeLines } from './gatewayNodes';
import { keygenCommand } from './keygen';
import { print, timeOf, tonText } from './output';
import { forTerminal } from '../process/terminal';
import { stopRequested } from './stop';

const WATCH_SECONDS = 5;
const CLEAR = '\x1b[2J\x1b[H'; // the screen, and the cursor to its top
const CLOCK_SECONDS = 10; // between the clocks of machine and chain; a larger difference gets a line

const JOB = 'a job is named by its number; "cocoon gateway jobs" lists them';
const QUERY = 'a query is named by its number; the header x-cocoon-query of its answer says it';

/** The `gateway` command and everything below it. */
export function gatewayCommand(): Command {
    const gateway = new Command('gateway');

    const about = 'write a new spend key; its public half is what the escrow is set up with';
    keygenCommand(gateway, 'cocoon gateway keygen', about);

    gateway
        .command('up')
        .description('run the gateway until SIGTERM or SIGINT')
        .option('--config <file>', 'JSON file with the settings of the gateway; see docs/gateway.md', 'gateway.json')
        .option('--host <address>', 'where to listen, instead of the configuration')
        .option('--port <number>', 'where to listen, 0 for any free port', portOf)
        .option('--store <file>', 'the SQLite file or PostgreSQL database, instead of the configuration')
        .option('--allow-open', 'also use nodes that attest nothing: privacy then covers the link only')
        .option('--log-level <level>', 'fatal, error, warn, info, debug or silent')
        .action(up);

    remote(gateway.command('jobs').description('list jobs')).action(async (flags: RemoteFlags) => {
        const jobs = jobView.array().parse(await call(flags, 'GET', '/admin/jobs'));
        print(flags, jobs, () => jobs.map(jobLine).join('\n') || 'no jobs');
    });
    remote(gateway.command('status').description('show what the escrow holds, and which nodes can be used'))
        .option('--watch [seconds]', 'show it again and again, every 5 seconds or as many as you say', secondsOf)
        .action(async ({ watch, ...flags }: RemoteFlags & { watch?: number | true }) => {
            const show = async () => {
                const status = statusView.parse(await call(flags, 'GET', '/admin/status'));
                print(flags, status, () => statusLines(status));
            };
            return watch === undefined ? show() : showAgain(show, watch === true ? WATCH_SECONDS : watch, flags);
        });

    const matching = 'show each node of a model: its prices, what it does, how it served, and why it fits or not';
    remote(gateway.command('nodes').description(matching))
        .option('--model <model>', 'only the nodes of this model')
        .action(async (flags: RemoteFlags & { model?: string }) => {
            const query = flags.model === undefined ? '' : `?model=${encodeURIComponent(flags.model)}`;
            const nodes = nodeView.array().parse(await call(flags, 'GET', `/admin/nodes${query}`));
            print(flags, nodes, () => nodes.map(nodeLines).join('\n') || 'no node is found');
        });
    addDemand(gateway);
    remote(gateway.command('usage').description('show what was used in the last days, by key, model, day or worker'))
        .option('--by <groups>', 'key, model, day or worker; several separated by commas', 'key')
        .option('--days <number>', 'how many days (UTC), today included', '30')
        .action(async ({ by, days, ...flags }: RemoteFlags & { by: string; days: string }) => {
            const path = `/admin/usage?${new URLSearchParams({ by, days }).toString()}`;
            const rows = usageView.array().parse(await call(flags, 'GET', path));
            print(flags, rows, () => rows.map(usageLine).join('\n') || 'nothing was used');
        });

    remote(
        gateway
            .command('open-query <job> <number>')
            .description('write a file with which somebody else can read and repeat one answered query'),
    )
        .requiredOption('--out <file>', 'where it goes; never over a file that exists')
        .action(async (job: string, number: string, flags: RemoteFlags & { out: string }) => {
            const path = `/admin/jobs/${numberOf(job)}/queries/${numberOf(number, QUERY)}/opening`;
            const text = JSON.stringify(await call(flags, 'GET', path), null, 4);
            writeFileSync(flags.out, `${text}\n`, { flag: 'wx', mode: 0o600 });
            print(flags, { file: flags.out }, () => `${flags.out}: whoever has it can read this query`);
        });

    const ends = {
        settle: 'pay what is owed and have the worker end the job; its remaining balance comes back to the escrow',
        leave: 'leave a job without its worker: nothing more is paid, the refund comes after the notice',
        refund: 'send the remaining balance of an ended job back to the escrow, without its worker',
    };
    for (const [name, description] of Object.entries(ends)) {
        remote(gateway.command(`${name} <job>`).description(description)).action(
            async (job: string, flags: RemoteFlags) => {
                const view = jobView.parse(await call(flags, 'POST', `/admin/jobs/${numberOf(job)}/${name}`));
                print(flags, view, () => jobLine(view));
            },
        );
    }
    return gateway;
}

interface RemoteFlags {
    url: string;
    json?: boolean;
}

async function up({ config, ...flags }: GatewayFlags & { config: string }): Promise<void> {
    const { readGatewayConfig, startGateway } = await import('../gateway');
    const gateway = await startGateway(readGatewayConfig(config, flags));
    console.log(`cocoon gateway listens at ${gateway.url}`);
    await stopRequested();
    await gateway.close();
}

function remote(command: Command): Command {
    return command
        .option('--url <url>', 'where the gateway listens', 'http://127.0.0.1:10000')
        .option('--json', 'print JSON, amounts in nanoTON');
}

async function call({ url }: RemoteFlags, method: 'GET' | 'POST', path: string): Promise<unknown> {
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
        throw new Error(`--url takes a URL such as http://127.0.0.1:10000, not "${url}"`);
    }
    return askGateway(url, method, path);
}

// Until the user ends it. A gateway that does not answer is told and asked again.
async function showAgain(show: () => Promise<void>, seconds: number, { json }: RemoteFlags): Promise<void> {
    for (;;) {
        if (json !== true && process.stdout.isTTY) {
            process.stdout.write(CLEAR);
        }
        await show().catch((error: unknown) => console.error(forTerminal(tellFailure(error))));
        await sleep(seconds * 1000);
    }
}

function jobLine(job: JobView): string {
    const money = `paid ${tonText(job.paid)} of ${tonText(job.deposit)}, ${job.results} answers`;
    const state = job.phase === 'open' && !job.connected ? 'open (disconnected)' : job.phase;
    return `${job.job}  ${state}  ${job.model}  ${job.tier}  ${job.worker}  ${money}${job.note === '' ? '' : `  ${job.note}`}`;
}

function usageLine({ day, key, model, worker, ...used }: UsageView): string {
    const group = [day, key === '' ? '(no key)' : key, model, worker].filter((name) => name !== undefined);
    const prompt = `${used.prompt} prompt tokens, ${used.cached} cached`;
    const answer = `${used.completion} completion, ${used.reasoning} reasoning`;
    return [...group, `${used.queries} answers`, `${prompt}, ${answer}`, tonText(used.cost)].join('  ');
}

function statusLines(status: StatusView): string {
    return [
        `escrow     ${status.escrow} (network ${status.network})`,
        `spend key  ${status.spendKey}`,
        `available  ${tonText(status.available)}; today ${tonText(status.dayRemaining)}, a job at most ${tonText(status.jobLimit)}`,
        ...moneyLines(status),
        ...status.models.flatMap(({ model, nodes }) =>
            nodes.map(({ worker, state }) => `${model}  ${worker}  ${state}`),
        ),
        `jobs       ${
            Object.entries(status.jobs)
                .map(([phase, count]) => `${count} ${phase}`)
                .join(', ') || 'none'
        }`,
        ...processLines(status),
        ...(Math.abs(status.clockOffset ?? 0) > CLOCK_SECONDS
            ? [
                  `clock      the chain's is ${status.clockOffset} s ahead of this machine's: set this machine's clock, unless the network is a local one that was advanced`,
              ]
            : []),
        `spoiled    ${status.spoiled.today} jobs in 24 hours; ${status.spoiled.count} count, at most ${status.spoiled.max}`,
        ...status.spoiled.causes.map(({ job, worker, cause }) => `           ${job}  ${worker}  ${cause}`),
    ].join('\n');
}

function processLines({ process, processes }: StatusView): string[] {
    if (processes.length < 2) {
        return [];
    }
    const lines = processes.map(({ number, holder, url, jobs }) => {
        const name = [`member ${number}`, holder, url ?? []].flat().join(', ');
        return `           ${name}: ${jobs} ${jobs === 1 ? 'job' : 'jobs'}${number === process ? ', this one' : ''}`;
    });
    return ['processes  money, keys and usage are those of all, jobs and nodes those of this one', ...lines];
}

function moneyLines({ money, jobs }: StatusView): string[] {
    const resets = timeOf(money.dayResetsAt);
    return [
        `in jobs    ${tonText(money.inJobs)} unspent, which returns when they end; ${tonText(money.paid)} paid by open jobs`,
        ...(money.returning === '0' && (jobs.leaving ?? 0) === 0
            ? []
            : [`returning  ${tonText(money.returning)} of jobs that end, after their notice`]),
        `day limit  ${tonText(money.daySpent)} of ${tonText(money.dayLimit)} used until ${resets}: whole deposits and fees ` +
            'of jobs opened today; what returns does not lower it',
    ];
}

function secondsOf(text: string): number {
    const seconds = Number(text);
    if (!(seconds >= 1 && seconds <= 3600)) {
        throw new InvalidArgumentError('a number of seconds from 1 to 3600');
    }
    return seconds;
}

function portOf(text: string): number {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
        throw new InvalidArgumentError('a port is a number from 0 to 65535');
    }
    return port;
}

function numberOf(text: string, otherwise = JOB): number {
    if (!/^\d{1,13}$/.test(text)) {
        throw new Error(otherwise);
    }
    return Number(text);
}
