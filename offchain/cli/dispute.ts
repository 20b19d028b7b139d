/**
 * `cocoon dispute`: what a client can show of a node, what that costs and may bring, and every later step of a case.
 */
import {
    caseOutcomes,
    caseStates,
    clearCase,
    codesOfThisCheckout,
    decideCase,
    Dispute,
    Evidence as Shown,
    faultClassCodes,
    formatTon,
    numberToHex,
    prepareReport,
    sendReport,
    stateCase,
} from '@cocoon-market/wrappers';
import { adminHeaders } from '../gateway/adminToken';
import { Address } from '@ton/core';
import { Command, Option } from 'commander';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'undici';
import { Chain } from '../chain';
import { FaultEvidence, evidence, evidenceIn, readGatewayConfig } from '../gateway';
import { toWire } from '../link';
import { openGatewayStore } from '../store/sqliteGateway';
import { acting, ActFlags, addressOn, becomes, chainOf, reading, send, shown } from './actor';
import { assertNew, planLines, planOf, timeOf } from './prospects';

interface Which {
    job?: string;
    query?: string;
    class?: FaultEvidence['class'];
}

/** The command with its subcommands. */
export function disputeCommand(): Command {
    const command = new Command('dispute');

    which(reading(command.command('find').description('list what the receipts of a gateway show'))).action(
        async (flags: ActFlags & Which) => {
            const found = (await gathered(flags)).filter(matching(flags));
            print(flags, found, () => found.map(line).join('\n') || 'nothing: the receipts here show no fault');
        },
    );

    which(
        acting(
            command.command('report').description('report a fault, demand an answer (A3), or ask the committee (B1)'),
        ),
    )
        .option('--statement <file>', 'B1: what is wrong, such as the file of "cocoon gateway open-query"')
        .option('--piece <number>', 'A3: the first of the four pieces of 16 KiB that are demanded', '0')
        .action(report);

    reading(
        command.command('state <dispute>').description('print a case: what it is about, deadlines, outcome'),
    ).action(async (dispute: string, flags: ActFlags) => {
        const chain = chainOf(flags.config);
        const view = await viewOf(chain, addressOn(chain, dispute));
        print(flags, view, () => lines(view));
    });

    acting(command.command('statement <dispute>').description("name the hash of the provider's statement (its owner)"))
        .requiredOption('--file <file>', 'the statement, which the committee is given by other means')
        .action(async (dispute: string, flags: ActFlags & { file: string }) => {
            const statement = hashOf(flags.file);
            await step(flags, dispute, (actor, address) => stateCase(actor, { dispute: address, statement }));
        });

    acting(command.command('decide <dispute>').description('have a case decided whose deadline has passed')).action(
        async (dispute: string, flags: ActFlags) => {
            const due = ({ state, decideFrom }: View) => (state === 'stuck' ? 0 : decideFrom + 1);
            await step(flags, dispute, (actor, address) => decideCase(actor, { dispute: address }), due);
        },
    );

    acting(
        command.command('clear <dispute>').description('end the account of a case that nobody can report again'),
    ).action(async (dispute: string, flags: ActFlags) => {
        await step(flags, dispute, (actor, address) => clearCase(actor, { dispute: address }));
    });

    return command;
}

function which(command: Command): Command {
    return command
        .option('--job <number>', 'only of this job')
        .option('--query <number>', 'only of this query')
        .addOption(new Option('--class <class>', 'only faults of this class').choices(faultClassCodes));
}

/** What a running gateway finds, or its store when none runs. */
async function gathered({ config: path }: ActFlags): Promise<FaultEvidence[]> {
    const { listen, store: file } = readGatewayConfig(path);
    const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
    const url = `http://${host}:${listen.port}`;
    try {
        const { statusCode, body } = await request(`${url}/admin/evidence`, { headers: adminHeaders(url) });
        const found = await body.json();
        if (statusCode !== 200) {
            throw new Error(`the gateway answered with HTTP ${statusCode}`);
        }
        return evidence.array().parse(found);
    } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED') {
            throw error;
        }
    }
    const store = await openGatewayStore(file);
    try {
        return evidence.array().parse(toWire(await evidenceIn(store)));
    } finally {
        await store.close();
    }
}

// Every result may be brought before the committee, so those are shown only to who asks for them.
function matching({ job, query, class: wanted }: Which) {
    return (found: FaultEvidence) =>
        (job === undefined || found.job === Number(job)) &&
        (query === undefined || found.queries.includes(Number(query))) &&
        (wanted === undefined ? found.class !== 'B1' : found.class === wanted);
}

interface ReportFlags extends ActFlags, Which {
    statement?: string;
    piece: string;
}

async function report(flags: ReportFlags): Promise<void> {
    const [found] = (await gathered(flags)).filter(matching(flags));
    if (found === undefined) {
        throw new Error('The receipts here show no such fault: see "cocoon dispute find"');
    }
    const chain = chainOf(flags.config);
    const prepared = await prepareReport(chain, chain.network, shownBy(found, flags));
    await assertNew(chain, prepared, found.loss);
    const plan = await planOf(chain, found, prepared, Number(flags.piece));
    if (flags.json !== true) {
        console.log([line(found), ...planLines(plan)].join('\n'));
    }
    const { dispute } = prepared;
    const counted = async () => {
        const { state } = await chain.account(dispute);
        return state === 'active' ? (await chain.open(Dispute.fromAddress(dispute)).getFile())?.countedLoss : undefined;
    };
    const before = await counted();
    const sent = await send(chain, flags, prepared.value, (actor) => sendReport(actor, prepared));
    if (sent && !(await becomes(async () => (await counted()) !== before))) {
        throw new Error('The node did not take the report: what was sent comes back, less the fees');
    }
    const view = sent ? await viewOf(chain, dispute) : undefined;
    const result = { ...found, terms: undefined, ...plan, sent, case: view };
    print(flags, result, () => (view === undefined ? 'nothing was sent' : lines(view)));
}

function shownBy(found: FaultEvidence, { statement, piece }: ReportFlags): Shown {
    const { channel, terms, receipts } = found;
    const job = { channel, terms };
    switch (found.class) {
        case 'A1':
            return { class: 'A1', ...job, first: receipts[0], second: receipts[1] };
        case 'A2':
            return {
                class: 'A2',
                ...job,
                result: receipts[0],
                ...(receipts.length > 1 && { comparison: receipts[1] }),
            };
        case 'A3':
            return { class: 'A3', ...job, accept: receipts[0], piece: Number(piece) };
        case 'B1':
            if (statement === undefined) {
                throw new Error('Say what is wrong in a file that the committee will get: --statement FILE');
            }
            return { class: 'B1', ...job, result: receipts[0], statement: hashOf(statement) };
    }
}

async function step(
    flags: ActFlags,
    dispute: string,
    action: (actor: Parameters<typeof decideCase>[0], address: Address) => Promise<unknown>,
    due: (view: View) => number = () => 0, // unix seconds
): Promise<void> {
    const chain = chainOf(flags.config);
    const address = addressOn(chain, dispute);
    const from = due(await viewOf(chain, address));
    if ((await chain.account(address)).at < from) {
        throw new Error(`It is too early: come back from ${timeOf(from)} on`);
    }
    const attached = await chain.open(Dispute.fromAddress(address)).getCloseValue();
    const sent = await send(chain, flags, attached, (actor) => action(actor, address));
    const active = (await chain.account(address)).state === 'active';
    const view = { sent, attached, ...(active ? await viewOf(chain, address) : { state: 'gone' }) };
    print(flags, view, () => lines(view));
}

type View = Awaited<ReturnType<typeof viewOf>>;

const NAMES = new Map<bigint, string>(Object.entries(caseOutcomes).map(([name, number]) => [number, name]));
const STATES = new Map<bigint, string>(Object.entries(caseStates).map(([name, number]) => [number, name]));

/** A case as `cocoon dispute state --json` prints it. */
export async function viewOf(chain: Chain, address: Address) {
    const account = await chain.account(address);
    if (account.state !== 'active') {
        throw new Error(`There is no case at ${shown(address, chain)}`);
    }
    const { dispute: code } = await codesOfThisCheckout();
    if (account.code?.equals(code) !== true) {
        throw new Error(
            `The account ${shown(address, chain)} does not run the code of this release's Disputes: look at the address`,
        );
    }
    const dispute = chain.open(Dispute.fromAddress(address));
    const [state, file] = [await dispute.getCaseState(), await dispute.getFile()];
    if (file === undefined) {
        throw new Error(`No case was opened at ${shown(address, chain)}`);
    }
    const about = file.about?.toString('hex');
    const statement = state.stated ? numberToHex(state.result) : undefined;
    return {
        dispute: shown(address, chain),
        class: file.class,
        job: file.job.toString('hex'),
        query: file.query,
        state: STATES.get(state.state)!,
        outcome: NAMES.get(state.outcome),
        provider: shown(state.provider, chain),
        node: file.node,
        victim: shown(new Address(0, file.victim), chain),
        reporter: shown(file.reporter, chain),
        atStake: file.amount,
        loss: file.loss,
        bond: state.bond,
        take: state.slash,
        ...(file.class === 'A3' && { request: about, first: file.firstPiece, wanted: Number(state.missingPieces) }),
        ...(file.class === 'B1' && {
            accusation: about,
            statement,
            most: file.maxBasisPoints,
            rules: file.rulesVersion,
        }),
        answerBy: Number(state.answerBy),
        decideFrom: Number(state.decideFrom),
        clearAt: Number(state.clearAt),
    };
}

/** SHA-256 of a file: what stands for it on chain. */
export function hashOf(path: string): Buffer {
    return createHash('sha256').update(readFileSync(path)).digest();
}

function line({ class: faultClass, job, queries, loss, reason }: FaultEvidence): string {
    const of = `job ${job}, ${queries.length > 1 ? 'queries' : 'query'} ${queries.join(' and ')}`;
    return `${faultClass}  ${of}  ${formatTon(loss)} TON  ${reason}`;
}

function print(flags: ActFlags, value: unknown, text: () => string): void {
    console.log(flags.json === true ? JSON.stringify(toWire(value)) : text());
}

const TIMES = ['answerBy', 'decideFrom', 'clearAt', 'validUntil'];
const AMOUNTS = ['attached', 'atStake', 'loss', 'bond', 'take'];

/** One `name: value` a line, times and amounts for people. */
export function lines(view: object): string {
    return Object.entries(view)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => {
            const text = TIMES.includes(name)
                ? timeOf(value as number)
                : AMOUNTS.includes(name)
                  ? `${formatTon(value as bigint)} TON`
                  : String(value);
            return `${name}: ${text}`;
        })
        .join('\n');
}
