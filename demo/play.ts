/** The story that the demo plays and checks. */
import type { PriceLevel } from '@cocoon-market/localnet';
import { formatTon, mTon, withdrawDeposit } from '@cocoon-market/wrappers';
import { Address, toNano } from '@ton/core';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { TonHttpChain } from '../offchain/chain';
import { Reply, ask } from './ask';
import { DemoLedger } from './ledger';
import { runCocoon } from './processes';
import { Stage } from './stage';

const DEPOSIT = toNano('40');
export const JOB = { deposit: '1000000000', step: '50000000', notice: 3600 }; // nanoTON, seconds

export interface Options {
    prompts: string[];
    prices: PriceLevel;
    json: boolean;
}

/** Plays the whole story; true when every check held. */
export async function play(stage: Stage, { prompts, json }: Options): Promise<boolean> {
    const say = json ? () => undefined : console.log;
    const write = json ? () => undefined : (text: string) => void process.stdout.write(text);
    const ledger = new DemoLedger(stage.network, stage.names);
    const close = (name: string) => say(`\n■ ${name}\n${ledger.close(name).replace(/^/gm, '  ')}`);

    say('Cocoon Market: from query to payout on one machine');
    const registry = await stage.launch();
    close('The market is launched');
    const joined = await stage.join(registry.address);
    close('A GPU owner stakes 60 TON and joins');
    const seller = await stage.register(joined);
    close('He registers a machine with its keys and prices');
    const buyer = await stage.buyer('app developer', DEPOSIT);
    close(`An app developer deposits ${formatTon(DEPOSIT)} TON and sets a spend key`);

    const worker = await stage.startWorker(registry.address, seller);
    const gateway = await stage.startGateway(registry.address, buyer, [worker.url], { job: JOB });
    say(`\n■ Worker and gateway run\n  worker  ${worker.url}\n  gateway ${gateway.url}/v1`);

    const balanceBefore = await stage.balanceOf(seller.hot.address);
    say('\n■ The app asks through the openai package; the gateway opens a job with the spend key');
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'not needed', maxRetries: 0 });
    const answers: Reply[] = [];
    for (const prompt of prompts) {
        write(`\n  > ${prompt}\n  `);
        const reply = await ask(openai, prompt, write);
        write(`\n  ${reply.tokens} tokens, ${mTon(reply.cost)} mTON\n`);
        answers.push(reply);
    }
    const jobs = JSON.parse(await runCocoon(['gateway', 'jobs', '--url', gateway.url, '--json'])) as JobRow[];
    const channels = jobs.map(({ channel }) => Address.parse(channel));
    channels.forEach((channel, i) => {
        stage.names.set(channel.toRawString(), jobs.length === 1 ? 'Channel' : `Channel ${i + 1}`);
    });
    close(`${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'} opened; ${answers.length} queries took no transaction`);

    const ends: JobRow[] = [];
    for (const { job } of jobs) {
        const printed = await runCocoon(['gateway', 'settle', `${job}`, '--url', gateway.url, '--json']);
        ends.push(JSON.parse(printed) as JobRow);
    }
    const leaving = ends.filter(({ phase }) => phase === 'leaving');
    const claimedFrom = channels.filter((_, i) => !leaving.includes(ends[i]));
    let areGone = await waitUntilGone(stage.chain, claimedFrom);
    if (claimedFrom.length > 0) {
        close('The worker claims its last voucher; the rest goes home and the channel is gone');
    }
    if (leaving.length > 0) {
        close('A claim would cost more than its job owes: the worker lets it be, and the client leaves');
        stage.network.advance(JOB.notice);
        for (const { job } of leaving) {
            await runCocoon(['gateway', 'refund', `${job}`, '--url', gateway.url]);
        }
        areGone &&= await waitUntilGone(stage.chain, channels);
        close('An hour later, after the notice, the client takes all of it back without the worker');
    }
    await gateway.end();
    await worker.end();
    const received = (await stage.balanceOf(seller.hot.address)) - balanceBefore;
    await withdrawDeposit(stage.actor(buyer.wallet), { amount: 0n });
    close('The app developer takes the rest of the deposit home');

    const cost = answers.reduce((sum, answer) => sum + answer.cost, 0n);
    const letGo = leaving.reduce((sum, { owed }) => sum + BigInt(owed), 0n);
    const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
    const conserved = await ledger.conserved((address) => stage.balanceOf(address));
    const { gas, fees } = ledger.total();
    const paid = channels.reduce((sum, channel) => sum + ledger.paidBy(channel, seller.hot.address), 0n);
    const checks: [string, boolean][] = [
        ['every job ended and its account is gone', areGone],
        [
            `the channels paid exactly what the queries cost${letGo > 0n ? ', less what was let be' : ''}`,
            paid + letGo === cost,
        ],
        ['conserved: 0 nanoTON lost', conserved],
    ];

    say('\n■ Who paid and got what');
    const rows = [
        ['queries', `${answers.length}, ${tokens} tokens`],
        ['the app developer paid for them', `${formatTon(paid)} TON`],
        ...(letGo > 0n ? [['let be, for a claim costs more', `${formatTon(letGo)} TON`]] : []),
        ['the worker received, less the fees of its claims', `${formatTon(received)} TON`],
        ['validators took, for everything above', `${formatTon(fees)} TON for ${gas} gas`],
    ];
    rows.forEach(([what, amount]) => say(`  ${what.padEnd(50)} ${amount}`));
    checks.forEach(([what, holds]) => say(`  ${holds ? '✓' : '✗'} ${what}`));
    if (json) {
        const steps = ledger.steps.map((step) => ({ name: step.name, gas: Number(step.gas), fees: Number(step.fees) }));
        const sums = { paid: Number(paid), fees: Number(fees), gas: Number(gas) };
        const report = {
            queries: answers.length,
            tokens,
            ...sums,
            letGo: Number(letGo),
            transactions: ledger.transactions,
            conserved,
            steps,
        };
        console.log(JSON.stringify(report));
    }
    return checks.every(([, holds]) => holds);
}

/** What the demo reads of a row of `cocoon gateway jobs --json`. */
interface JobRow {
    job: number;
    channel: string;
    phase: string;
    owed: string; // nanoTON
}

const GONE_SECONDS = 60;

/** True once the account of every channel is deleted. */
async function waitUntilGone(chain: TonHttpChain, channels: Address[]): Promise<boolean> {
    for (let poll = 0; poll < GONE_SECONDS * 10; poll++) {
        const accounts = await Promise.all(channels.map((channel) => chain.account(channel)));
        if (accounts.every(({ state, balance }) => state === 'uninitialized' && balance === 0n)) {
            return true;
        }
        await sleep(100);
    }
    return false;
}
