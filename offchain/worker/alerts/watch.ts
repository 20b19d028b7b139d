/** Looks at what may go wrong while a worker runs, and keeps the board of alerts. */
import { formatTon } from '@cocoon-market/wrappers';
import { addressText, walletText } from '../../process/addresses';
import { PollLoop } from '../../process/tasks';
import { reporting } from '../../process/log';
import { unclaimedOf } from '../../store/jobSums';
import { noteFeatures } from '../../link';
import type { CaseRecord, JobRecord } from '../../store/worker';
import { accountAddress } from '../channels';
import { NO_ATTESTATION, type NodeAttestation } from '../attestation';
import type { WorkerContext } from '../context';
import type { ModelLoad } from '../backends';
import type { BackendView } from '../servers';
import type { ClaimWallet } from '../claimSender';
import type { DisputesView } from '../disputedJobs';
import { reservedBytes } from '../diskRoom';
import { type Check, Failure } from '../doctor/finding';
import { diskCheck, type Machine, MIN_FREE, thisMachine } from '../doctor/machine';
import { nodeCheck, readListed, stakeCheck } from '../doctor/market';
import { DEMAND_RESERVE } from '../reserves';
import { AlertBoard, type AlertName, type Condition } from './board';
import { Notifier } from './notify';

const PAGE = 500; // jobs read from the store at once
const MAX_LISTED = 20; // alerts of one name
const WALLET_SECONDS = 60; // between two readings of the wallet
const NODE_SECONDS = 600; // between two readings of node and stake
const SILENT_SECONDS = 60; // without an answer of the chain, before it counts as down
const DISPUTE_SECONDS = 60; // for which endpoints disagree, before one is more than behind the other
const CLAIMS_SECONDS = 900; // besides the interval, in which a round of claims must end
const EXPIRY_SECONDS = 6 * 3600; // before the end of an attestation from a file
const ATTEMPTS_PART = 0.25; // of the life of an attestation that a command renews after half of it

export interface WatchParts {
    context: WorkerContext;
    wallet: Pick<ClaimWallet, 'address' | 'balance'>;
    minClaim: () => bigint; // nanoTON
    claimRounds: () => number; // that came to their end
    disputes: () => DisputesView | undefined;
    attestation: Pick<NodeAttestation, 'current'>;
    machine?: Machine;
    /** Seconds of a monotonic clock. */
    steady: () => number;
}

export class AlertWatch {
    readonly board: AlertBoard;
    private readonly notifier: Notifier;
    private readonly loop: PollLoop;
    private readonly doneAt = new Map<string, number>(); // steady seconds
    private chainAnsweredAt = -Infinity; // steady seconds
    private lastRound = { number: -1, at: 0 }; // of claims: when it was seen first, steady seconds
    /** nanoTON in the worker's wallet, as it was last read. */
    walletBalance: bigint | undefined;

    constructor(private readonly parts: WatchParts) {
        const { config, log, now } = parts.context;
        const { seconds, repeatSeconds, ...settings } = config.alerts;
        this.notifier = new Notifier(settings, log);
        this.board = new AlertBoard({
            ...{ log, now, repeatSeconds, node: addressText(config.node, config) },
            notify: (notice, delivered) => this.notifier.send(notice, delivered),
        });
        this.loop = new PollLoop(() => this.round(), seconds * 1000, reporting(log, 'error', 'alerts: a round failed'));
    }

    start(): void {
        this.loop.start();
    }

    async stop(): Promise<void> {
        await Promise.all([this.loop.stop(), this.notifier.close()]);
    }

    /** One look at everything that is due. What cannot be read leaves its alert as it is. */
    async round(): Promise<void> {
        const { context, machine = thisMachine } = this.parts;
        const { config, log, offers } = context;
        const reserved = reservedBytes({ ...config, offers: offers.current });
        const minFree = Math.max(MIN_FREE, reserved - context.store.reusableBytes()); // with less no new work is taken
        const look = async (alert: AlertName, read: () => Promise<readonly Condition[] | undefined>) => {
            try {
                const conditions = await read();
                if (conditions !== undefined) {
                    this.board.set(alert, conditions.slice(0, MAX_LISTED));
                }
            } catch (error) {
                log.debug({ alert, err: error }, 'alerts: not read');
            }
        };
        await Promise.all([
            look('unclaimed', () => this.nearRefund()),
            look('claims', async () => this.ofClaims()),
            look('endpoints', async () => ofDisputes(this.parts.disputes())),
            look('demand', async () => (await context.store.cases.open()).map((record) => this.ofCase(record))),
            look('disk', () => conditionOf(diskCheck(config, machine, minFree))),
            look('notes', async () => this.ofNotes()),
            look('attestation', async () => this.ofAttestation()),
            look('backend', async () => {
                const { backends, models } = context.backends.view();
                return [...backends.flatMap(ofOutage), ...models.flatMap(ofMissing)];
            }),
            this.lookAtChain(look),
        ]);
    }

    private async lookAtChain(
        look: (alert: AlertName, read: () => Promise<readonly Condition[] | undefined>) => Promise<void>,
    ): Promise<void> {
        const { context, steady } = this.parts;
        const { chain, config } = context;
        const answers = await chain.account(config.node).then(
            () => true,
            () => false,
        );
        this.chainAnsweredAt = answers ? steady() : this.chainAnsweredAt;
        const silence = steady() - this.chainAnsweredAt;
        await look('chain', async () => (silence > SILENT_SECONDS ? [ofSilence()] : answers ? [] : undefined));
        if (!answers) {
            return;
        }
        const idle = chain.as('idle');
        if (this.isDue('wallet', WALLET_SECONDS)) {
            await look('wallet', () => this.ofWallet());
        }
        // A node that differs is most often about to be mended, and keeps new work out meanwhile.
        const nodeSeconds = this.board.active.some(({ alert }) => alert === 'node') ? WALLET_SECONDS : NODE_SECONDS;
        if (config.registry !== undefined && this.isDue('node', nodeSeconds)) {
            const offered = { ...config, offers: context.offers.current };
            const node = readListed(offered, idle);
            node.catch(() => undefined); // the checks say so
            const { receiptKey, encryptionKey } = context;
            const keys = { receiptKey: receiptKey.publicKey, encryptionKey: encryptionKey.publicKey };
            const subject = { config: offered, chain: idle, keys, node, wallet: undefined, now: context.now };
            await look('node', () => conditionOf(nodeCheck(subject)));
            await look('stake', () => conditionOf(stakeCheck(subject)));
        }
    }

    /** True once in so many seconds. */
    private isDue(name: string, seconds: number): boolean {
        const now = this.parts.steady();
        if (now - (this.doneAt.get(name) ?? -Infinity) < seconds) {
            return false;
        }
        this.doneAt.set(name, now);
        return true;
    }

    /** Vouchers that should have been claimed when the margin before the refund began. */
    private async nearRefund(): Promise<Condition[]> {
        const { context, minClaim } = this.parts;
        const { config, now, store } = context;
        const conditions: Condition[] = [];
        for (let page = await store.jobs.claimable({ limit: PAGE }); page.length > 0;) {
            for (const record of page) {
                const { refundAt } = record.snapshot;
                const due = unclaimedOf(record);
                if (due >= minClaim() && due > 0n && refundAt - now() <= config.marginSeconds / 2) {
                    conditions.push(ofUnclaimed(record, due));
                }
            }
            page = await store.jobs.claimable({ cursor: page.at(-1)!.job, limit: PAGE });
        }
        return conditions;
    }

    private ofClaims(): Condition[] {
        const { claimRounds, context, steady } = this.parts;
        if (claimRounds() !== this.lastRound.number) {
            this.lastRound = { number: claimRounds(), at: steady() };
        }
        const silence = steady() - this.lastRound.at;
        return silence <= context.config.claim.seconds + CLAIMS_SECONDS
            ? []
            : [
                  {
                      subject: '',
                      message: `no round of claims has come to its end for ${Math.floor(silence / 60)} minutes`,
                      remedy: 'look in the log for "claims:", and at "endpoint": another endpoint may answer right. Vouchers wait',
                  },
              ];
    }

    private async ofWallet(): Promise<Condition[]> {
        const { context, wallet } = this.parts;
        const { walletBelow } = context.config.alerts;
        const balance = await wallet.balance('routine');
        this.walletBalance = balance;
        const remedy = `send TON to ${walletText(wallet.address, context.config)}: it pays for claims and for answers to demands`;
        return balance >= walletBelow
            ? []
            : [{ subject: '', message: `the worker's wallet holds only ${formatTon(balance)} TON`, remedy }];
    }

    private ofCase({ class: faultClass, dispute, answerBy }: CaseRecord): Condition {
        const until = answerBy === 0 ? 'soon' : `before ${new Date(answerBy * 1000).toISOString()}`;
        const isDemand = faultClass === 'A3';
        return {
            subject: addressText(accountAddress(dispute), this.parts.context.config),
            message: isDemand
                ? `a client demands an answer on chain, ${until}`
                : `a case is before the committee; the owner may submit a statement ${until}`,
            remedy: isDemand
                ? `keep the worker running, and ${formatTon(DEMAND_RESERVE)} TON in its wallet: it answers by itself. "cocoon worker status" shows the case`
                : 'look at the query, and submit a statement: "cocoon dispute statement"',
        };
    }

    /** Nothing for a node that sells no notes, or that takes no new work at all. */
    private ofNotes(): Condition[] {
        const { backends, disk, offers } = this.parts.context;
        const sells = offers.current.some(({ model }) =>
            backends.featuresOf(model).some((feature) => noteFeatures.includes(feature)),
        );
        return !sells || !disk.hasRoom || disk.hasRoomForNotes
            ? []
            : [
                  {
                      subject: '',
                      message:
                          'queries for vectors and log probabilities are refused, because the disk fills; text goes on',
                      remedy: 'free space, or lower "limits.maxAnswer"; less than a tenth of the disk is free besides what text needs',
                  },
              ];
    }

    private ofAttestation(): Condition[] {
        const { attestation, context } = this.parts;
        const { attestation: source } = context.config;
        const proof = attestation.current();
        const remedy =
            typeof source === 'string'
                ? `write a new attestation to ${source}`
                : 'look in the log why the command of "attestation" fails';
        if (proof === undefined) {
            return [{ subject: '', message: `${NO_ATTESTATION}, so the worker takes no new work`, remedy }];
        }
        if (source === 'open' || proof.tier === 'open') {
            return [];
        }
        const remaining = proof.expiry - context.now();
        const min = typeof source === 'string' ? EXPIRY_SECONDS : source.seconds * ATTEMPTS_PART;
        const minutes = Math.max(0, Math.floor(remaining / 60));
        return remaining > min
            ? []
            : [{ subject: '', message: `the attestation ends in ${minutes} minutes, and clients then leave`, remedy }];
    }
}

function ofUnclaimed({ job, snapshot: { refundAt } }: JobRecord, due: bigint): Condition {
    return {
        subject: job.toString('hex'),
        message: `${formatTon(due)} TON of a job are unclaimed, and lost from ${new Date(refundAt * 1000).toISOString()}`,
        remedy: 'look at wallet and endpoint ("cocoon worker doctor"), then run "cocoon worker claim"',
    };
}

function ofOutage({ name, outage }: BackendView): Condition[] {
    return outage === undefined
        ? []
        : [
              {
                  subject: name,
                  message: `the backend ${name} cannot be used: ${outage.message}`,
                  remedy: 'look at the model server and its log; the worker uses it again by itself',
              },
          ];
}

function ofMissing({ model, missing }: ModelLoad): Condition[] {
    const remedy = 'load it at a model server, or correct its name under "models" of the backend';
    return missing ? [{ subject: model, message: `no backend has ${model}, which the node offers`, remedy }] : [];
}

function ofDisputes(view: DisputesView | undefined): Condition[] {
    if (view === undefined || view.seconds < DISPUTE_SECONDS) {
        return [];
    }
    const { jobs, messages, used, allowance } = view;
    const words = Object.entries(messages).map(([endpoint, word]) => `${endpoint} says "${word}"`);
    const amounts = `${formatTon(used)} of at most ${formatTon(allowance)} TON are answered on the word of one`;
    return [
        {
            subject: '',
            message: `the endpoints of the chain do not agree about the channels of ${jobs} jobs (of one: ${words.join(', ')}): ${amounts}`,
            remedy: 'remove the endpoint that is wrong from "endpoint", or list three, and restart the worker',
        },
    ];
}

const ofSilence = (): Condition => ({
    subject: '',
    message: 'no endpoint of the chain answers: no new jobs, and vouchers are claimed later',
    remedy: 'look at "endpoint" and at the network; add a second endpoint to the list',
});

/** What a check of the doctor says is wrong; undefined if it could not be made. */
async function conditionOf({ run }: Check): Promise<Condition[] | undefined> {
    try {
        await run();
        return [];
    } catch (error) {
        return error instanceof Failure ? [{ subject: '', message: error.message, remedy: error.remedy }] : undefined;
    }
}
