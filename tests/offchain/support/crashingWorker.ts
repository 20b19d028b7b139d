/** A worker in a process of its own: echoes slowly, on a chain that the parent describes. Prints its URL. */
import { Address, Cell } from '@ton/core';
import { startWorker } from '../../../offchain/worker';
import { ScriptedBackend, type Step } from './backend';
import { FakeChain, FakeWallet } from './chain';
import { crashAfter } from './crash';
import { account, configFor, SEEDS } from './worker';

interface Described {
    address: string;
    code: string;
    data: string;
    balance: string;
}

async function main(): Promise<void> {
    const chain = new FakeChain();
    for (const { address, code, data, balance } of JSON.parse(process.env.CHANNELS ?? '[]') as Described[]) {
        chain.set(Address.parse(address), {
            code: Cell.fromBase64(code),
            data: Cell.fromBase64(data),
            balance: BigInt(balance),
        });
    }
    const backend = new ScriptedBackend();
    // As many tokens as bytes: a worker bills no more.
    const delta: Step = { type: 'delta', content: 'word '.repeat(4), tokens: 20 };
    const deltas = Array.from({ length: 24 }, () => delta);
    backend.script = () => [{ type: 'prompt', prompt: 10, cached: 0 }, ...deltas, { type: 'end', finish: 'stop' }];
    const store = process.env.STORE === undefined ? {} : { store: process.env.STORE };
    const port = Number(process.env.PORT ?? 0);
    const cluster = port === 0 ? {} : { cluster: { url: `http://127.0.0.1:${port}` }, listen: { port } };
    // Never claims: the chain begins anew with each process, and would have forgotten what it paid.
    const config = configFor(process.env.FOLDER!, {
        creditSeconds: 2,
        claim: { threshold: `${1n << 62n}` },
        ...store,
        ...cluster,
    });
    const wallet = new FakeWallet(chain, account(0x33));
    crashAfter(Number(process.env.CRASH_IN_START ?? 0));
    const worker = await startWorker(config, { chain, backend, wallet, seeds: SEEDS });
    void worker.failed.catch(() => process.kill(process.pid, 'SIGKILL'));
    crashAfter(Number(process.env.CRASH_AT ?? 0)); // counted from here: what recovery writes is no step of a query
    process.stdin.resume().on('close', () => process.kill(process.pid, 'SIGKILL')); // the test is gone
    process.stdout.write(`${worker.url}\n`);
}

void main().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
});
