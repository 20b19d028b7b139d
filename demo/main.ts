/**
 * From query to payout on one machine: a local network, a worker and a gateway as processes of their own, a real model,
 * real contracts. Every message on chain is shown; at the end every nanoTON is accounted for. Exit code 1 if any check
 * fails.
 */
import { startLocalnet } from '@cocoon-market/localnet';
import { Actor, Channel, formatTon, mTon, randomSigningKey, withdrawDeposit } from '@cocoon-market/wrappers';
import { Address, toNano } from '@ton/core';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import OpenAI from 'openai';
import { HotWallet, TonHttpChain } from '../offchain/chain';
import { DemoLedger } from './ledger';
import * as market from './market';
import { endAll, runCocoon } from './processes';
import {
    gatewayConfigFile,
    gatewayKey,
    MODEL,
    RATES,
    startGatewayProcess,
    startWorkerProcess,
    workerKeys,
} from './setup';

const NETWORK = -3;
const FUNDS = toNano('100'); // for each wallet
const WORKER_FUNDS = toNano('1'); // a hot wallet holds little
const DEPOSIT = toNano('5');
const JOB_DEPOSIT = '1';
const PROMPTS = ['What is a voucher?', 'Who can read my prompt?', 'What happens if the worker disappears?'];

const USAGE = `npm run demo -- [--prompt TEXT]... [--queries N] [--prices 2025|2026] [--json]
  --prompt TEXT   asks this instead of the three default questions; may be given more than once
  --queries N     how many queries are sent, repeating the prompts; 1 to 1000
  --prices LEVEL  fees of the chain: 2026 (in force, the default) or 2025
  --json          one JSON object on standard output, and nothing else there`;

const { values: flags } = parseArgs({
    options: {
        prompt: { type: 'string', multiple: true },
        queries: { type: 'string' },
        prices: { type: 'string', default: '2026' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
    },
});

function say(text = ''): void {
    if (!flags.json) {
        console.log(text);
    }
}

function promptsAsked(): string[] {
    const asked = flags.prompt ?? PROMPTS;
    const count = flags.queries === undefined ? asked.length : Number(flags.queries);
    if (!Number.isInteger(count) || count < 1 || count > 1000) {
        throw new Error(`--queries is a number from 1 to 1000, not "${flags.queries}"`);
    }
    return Array.from({ length: count }, (_, i) => asked[i % asked.length]!);
}

async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
}

interface Asked {
    tokens: number;
    cost: bigint; // nanoTON
}

/** Sends one prompt through the `openai` package and streams the answer to the screen. */
async function ask(client: OpenAI, prompt: string): Promise<Asked> {
    say(`\n  > ${prompt}`);
    const stream = await client.chat.completions.create({
        model: MODEL,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: 120,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
    });
    let answer = '';
    let asked: Asked | undefined;
    if (!flags.json) {
        process.stdout.write('  ');
    }
    for await (const { choices, usage } of stream) {
        const text = choices[0]?.delta.content ?? '';
        answer += text;
        if (!flags.json) {
            process.stdout.write(text);
        }
        if (usage) {
            const cost = BigInt((usage as unknown as { cost_nanoton: string }).cost_nanoton);
            asked = { tokens: usage.total_tokens, cost };
        }
    }
    say();
    if (asked === undefined || answer.trim() === '') {
        throw new Error(`No complete answer to "${prompt}"`);
    }
    say(`  ${asked.tokens} tokens, ${mTon(asked.cost)} mTON`);
    return asked;
}

async function demo(folder: string): Promise<boolean> {
    const prompts = promptsAsked();
    if (flags.prices !== '2025' && flags.prices !== '2026') {
        throw new Error(`--prices is 2025 or 2026, not "${flags.prices}"`);
    }
    const network = await startLocalnet({ networkId: NETWORK, prices: flags.prices });
    const chain = new TonHttpChain({ endpoint: network.url, network: NETWORK });
    const ledger = new DemoLedger(network);
    const wallet = async (name: string, seed = randomBytes(32), funds = FUNDS) => {
        const made = new HotWallet(chain, seed, 20);
        ledger.name(made.address, name);
        await network.faucet(made.address, funds);
        return made;
    };
    const actor = (wallet: HotWallet): Actor => ({ sender: wallet.sender(), open: (contract) => chain.open(contract) });
    const balanceOf = async (address: Address) => (await chain.account(address)).balance;
    const show = (name: string) => {
        const { text } = ledger.close(name);
        say(`\n■ ${name}\n${text.replace(/^/gm, '  ')}`);
    };

    say('Cocoon Market: from query to payout on one machine');
    const keys = await workerKeys(folder);
    const spend = await gatewayKey(folder);
    const governor = await wallet('governor');
    const owner = await wallet('GPU owner');
    const client = await wallet('app developer');
    const worker = await wallet('worker', keys.walletSeed, WORKER_FUNDS);

    const registry = await market.launch(
        actor(governor),
        [1, 2, 3].map(() => randomSigningKey()),
    );
    ledger.name(registry.address, 'Registry');
    show('The market is launched');

    const provider = await market.join(actor(owner), registry.address, worker.address);
    ledger.name(provider.address, 'Provider');
    show('A GPU owner stakes 60 TON and joins');

    const port = await freePort();
    const node = await market.register(actor(owner), provider.address, {
        receiptKey: keys.receiptKey.publicKey,
        encryptionKey: keys.encryptionKey,
        endpoint: `http://127.0.0.1:${port}`,
        model: MODEL,
        rates: RATES,
    });
    ledger.name(node.address, 'Node');
    show('He registers a machine with its keys and prices');

    const escrow = await market.deposit(actor(client), spend.publicKey, DEPOSIT);
    ledger.name(escrow.address, 'Escrow');
    show(`An app developer deposits ${formatTon(DEPOSIT)} TON and sets a spend key`);

    const settings = { folder, endpoint: network.url, network: NETWORK, registry: registry.address };
    const workerProcess = await startWorkerProcess({
        ...settings,
        port,
        provider: provider.address,
        node: node.address,
        keyFile: keys.keyFile,
    });
    const gatewaySettings = {
        ...settings,
        owner: client.address,
        spendKeyFile: spend.keyFile,
        workers: [workerProcess.url],
    };
    const gatewayProcess = await startGatewayProcess(gatewaySettings, { job: { deposit: JOB_DEPOSIT } });
    say(`\n■ Worker and gateway run\n  worker  ${workerProcess.url}\n  gateway ${gatewayProcess.url}/v1`);

    const before = { worker: await balanceOf(worker.address), escrow: await balanceOf(escrow.address) };
    say('\n■ The app asks through the openai package; the gateway opens a job with the spend key');
    const openai = new OpenAI({ baseURL: `${gatewayProcess.url}/v1`, apiKey: 'not needed', maxRetries: 0 });
    const answers: Asked[] = [];
    for (const prompt of prompts) {
        answers.push(await ask(openai, prompt));
    }
    const { seqno } = await escrow.getEscrowState();
    const jobs = await openedJobs(gatewaySettings);
    jobs.forEach((channel, i) => ledger.name(channel, jobs.length === 1 ? 'Channel' : `Channel ${i + 1}`));
    show(
        `${seqno === 1n ? 'One job was' : `${seqno} jobs were`} opened; ${answers.length} queries took no transaction`,
    );

    const paid = answers.reduce((sum, { cost }) => sum + cost, 0n);
    await settle(gatewaySettings);
    const gone = await waitUntilGone(chain, jobs);
    await gatewayProcess.end();
    await workerProcess.end();
    show('The worker claims its last voucher; the rest goes home and the channel is gone');

    const received = (await balanceOf(worker.address)) - before.worker;
    await withdrawDeposit(actor(client), { amount: 0n });
    show('The app developer takes the rest of the deposit home');

    const conserved = await ledger.conserved(balanceOf);
    const fees = ledger.steps.reduce((sum, step) => sum + step.fees, 0n);
    const gas = ledger.steps.reduce((sum, step) => sum + step.gas, 0n);
    const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
    const checks: [string, boolean][] = [
        ['every job ended with its account gone', gone],
        ['the worker was paid what the queries cost, less the fee of its claim', received > 0n && received <= paid],
        ['conserved: 0 nanoTON lost', conserved],
    ];
    if (flags.json) {
        const steps = ledger.steps.map(({ name, ...step }) => ({
            name,
            gas: Number(step.gas),
            fees: Number(step.fees),
        }));
        console.log(
            JSON.stringify({
                queries: answers.length,
                tokens,
                paid: Number(paid),
                fees: Number(fees),
                gas: Number(gas),
                transactions: ledger.transactions,
                conserved,
                steps,
            }),
        );
    }
    say('\n■ Who paid and got what');
    const rows: [string, string][] = [
        ['queries', `${answers.length}, ${tokens} tokens`],
        ['the app developer paid for them', `${formatTon(paid)} TON`],
        ['the worker received, its claim paid', `${formatTon(received)} TON`],
        [
            'validators took, for everything above',
            `${formatTon(fees)} TON (${gas} gas, ${ledger.transactions} transactions)`,
        ],
        ['of which after the market stood', `${mTon(feesOfUse(ledger))} mTON`],
    ];
    rows.forEach(([what, amount]) => say(`  ${what.padEnd(38)} ${amount}`));
    checks.forEach(([what, holds]) => say(`  ${holds ? '✓' : '✗'} ${what}`));
    await network.close();
    return checks.every(([, holds]) => holds);
}
