/**
 * `cocoon dispute`: finds and reports the faults of nodes, with what that costs and may bring, and follows the cases.
 */
import type { Evidence } from '@cocoon-market/wrappers';
import { clearCase, decideCase, faultClassCodes, prepareReport, sendReport, stateCase } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { Command, Option } from 'commander';
import { FaultEvidence, evidence, evidenceIn, readGatewayConfig } from '../gateway';
import { ownUrl } from '../gateway/doorkeeper';
import { toWire } from '../link';
import { waitUntil } from '../process/tasks';
import { forTerminal } from '../process/terminal';
import { openGatewayStore } from '../store/open';
import { acting, ActFlags, addressOn, chainOf, reading, send } from './actor';
import { askGateway } from './gatewayClient';
import { CaseDisplay, displayOf, hashOf, openCase, readCase } from './case';
import { lines, print, timeOf, tonText } from './output';
import { assertNew, planLines, planOf } from './prospects';

const TAKEN = { maxMs: 60_000, pollMs: 1000 }; // a report, by the node

interface Selection {
    job?: string;
    query?: string;
    class?: FaultEvidence['class'];
}

/** The command with its subcommands. */
export function disputeCommand(): Command {
    const command = new Command('dispute');

    selecting(
        reading(command.command('find').description('list the faults that the receipts of a gateway prove')),
    ).action(async (flags: ActFlags & Selection) => {
        const found = (await findEvidence(flags)).filter(matching(flags));
        print(flags, found, () => found.map(line).join('\n') || 'nothing: the receipts of the gateway prove no fault');
    });

    selecting(
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
        const address = addressOn(chain, dispute);
        print(flags, displayOf(chain, address, await readCase(chain, address)));
    });

    acting(command.command('statement <dispute>').description("name the hash of the provider's statement (its owner)"))
        .requiredOption('--file <file>', 'the statement, which the committee gets by other means')
        .action(async (dispute: string, flags: ActFlags & { file: string }) => {
            const statement = hashOf(flags.file);
            await step(flags, dispute, (actor, address) => stateCase(actor, { dispute: address, statement }));
        });

    acting(command.command('decide <dispute>').description('have a case decided whose deadline has passed')).action(
        async (dispute: string, flags: ActFlags) => {
            const due = ({ state, decideFrom }: CaseDisplay) => (state === 'stuck' ? 0 : decideFrom + 1);
            await step(flags, dispute, (actor, address) => decideCase(actor, { dispute: address }), due);
        },
    );

    acting(
        command.command('clear <dispute>').description('delete the account of a case that nobody can report again'),
    ).action(async (dispute: string, flags: ActFlags) => {
        await step(flags, dispute, (actor, address) => clearCase(actor, { dispute: address }));
    });

    return command;
}

function selecting(command: Command): Command {
    return command
        .option('--job <number>', 'only of this job')
        .option('--query <number>', 'only of this query')
        .addOption(new Option('--class <class>', 'only faults of this class').choices(faultClassCodes));
}

/** The evidence that a running gateway finds, or that is in its store if none runs. */
async function findEvidence({ config: path }: ActFlags): Promise<FaultEvidence[]> {
    const settings = readGatewayConfig(path);
    try {
        return evidence.array().parse(await askGateway(ownUrl(settings), 'GET', '/admin/evidence'));
    } catch (error) {
        if ((error as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED') {
            throw error;
        }
    }
    const store = await openGatewayStore(settings.store);
    try {
        return evidence.array().parse(toWire(await evidenceIn(store)));
    } finally {
        await store.close();
    }
}

// Every result may be brought before the committee, so those are listed only on request.
function matching({ job, query, class: faultClass }: Selection) {
    return (found: FaultEvidence) =>
        (job === undefined || found.job === Number(job)) &&
        (query === undefined || found.queries.includes(Number(query))) &&
        (faultClass === undefined ? found.class !== 'B1' : found.class === faultClass);
}

interface ReportFlags extends ActFlags, Selection {
    statement?: string;
    piece: string;
}

async function report(flags: ReportFlags): Promise<void> {
    const [found] = (await findEvidence(flags)).filter(matching(flags));
    if (found === undefined) {
        throw new Error('The receipts of the gateway prove no such fault: see "cocoon dispute find"');
    }
    const chain = chainOf(flags.config);
    // The gateway read the node of its own job before it opened that, perhaps with an earlier release.
    const prepared = await prepareReport(chain, chain.network, evidenceFor(found, flags), { anyCode: true });
    await assertNew(chain, prepared, found.loss);
    const plan = await planOf(chain, found, prepared, Number(flags.piece));
    if (flags.json !== true) {
        console.log(forTerminal([line(found), ...planLines(plan)].join('\n')));
    }
    const { dispute } = prepared;
    const countedLoss = async () => {
        const { state } = await chain.account(dispute);
        return state === 'active' ? (await openCase(chain, dispute).getFile())?.countedLoss : undefined;
    };
    const lossBefore = await countedLoss();
    const sent = await send(chain, flags, prepared.value, (actor) => sendReport(actor, prepared));
    if (sent && !(await waitUntil(async () => (await countedLoss()) !== lossBefore, TAKEN))) {
        throw new Error('The node did not take the report: what was sent comes back, less the fees');
    }
    const view = sent ? displayOf(chain, dispute, await readCase(chain, dispute)) : undefined;
    const result = { ...found, terms: undefined, ...plan, sent, case: view };
    print(flags, result, () => (view === undefined ? 'nothing was sent' : lines(view)));
}

function evidenceFor(found: FaultEvidence, { statement, piece }: ReportFlags): Evidence {
    const { channel, terms, receipts } = found;
    const job = { channel, terms };
    switch (found.class) {
        case 'A1':
            return { class: 'A1', ...job, first: receipts[0], second: receipts[1] };
        case 'A2':
            return { class: 'A2', ...job, result: receipts[0], comparison: receipts.at(1) };
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
    due: (view: CaseDisplay) => number = () => 0, // unix seconds
): Promise<void> {
    const chain = chainOf(flags.config);
    const address = addressOn(chain, dispute);
    const reading = await readCase(chain, address);
    const from = due(displayOf(chain, address, reading));
    if (reading.at < from) {
        throw new Error(`It is too early: come back from ${timeOf(from)} on`);
    }
    const attached = await openCase(chain, address).getCloseValue();
    const sent = await send(chain, flags, attached, (actor) => action(actor, address));
    const active = (await chain.account(address)).state === 'active';
    const view = active ? displayOf(chain, address, await readCase(chain, address)) : { state: 'ended' };
    print(flags, { sent, attached, ...view });
}

function line({ class: faultClass, job, queries, loss, reason }: FaultEvidence): string {
    const of = `job ${job}, ${queries.length > 1 ? 'queries' : 'query'} ${queries.join(' and ')}`;
    return `${faultClass}  ${of}  ${tonText(loss)}  ${reason}`;
}
