/**
 * The model and the sandbox side by side: every message goes to both, and both must agree after each delivery.
 *
 * Longer than 350 lines because each step is taken in both at once.
 */
import { Cell, Message as Wired } from '@ton/core';
import { channelData, opcodeName } from '@cocoon-market/wrappers';

import {
    Account,
    apply,
    BodyOf,
    Contract,
    DAY,
    deliverable,
    Event,
    Message,
    newState,
    NewJob,
    Outcome,
    Prices,
    State,
} from '../model';
import { Network, NetworkSnapshot, PriceLevel, Ran, Sent, START } from './chain';
import { CodeHashes, differences, fieldsOf, textOf } from './compare';
import { Accounts, DELAY, FIRST_RULES, GOVERNOR, launchRegistry, measurePrices, plentyAt, STRANGER } from './launch';
import { addressOf, publicKeyOf } from './names';
import { cellOfBody, newJobCell } from './wire';

const MAX_DELIVERIES = 40; // that follow from one message
const LONGEST_WAY = 7 * DAY; // of a message; see docs/peculiarities.md

/** A message of an account that the network does not keep. */
export type Outgoing = Omit<Message, 'from'> & { from: Account };

/** Called after each delivery; throws what it finds. */
export type Watch = (before: State, after: State, outcome: Outcome) => void;

export interface Mark {
    state: State;
    level: PriceLevel;
    unreleased: ReadonlyMap<Account, bigint>;
    snapshot: NetworkSnapshot;
}

export class Session {
    state: State = newState({ now: START });
    level: PriceLevel = '2025';
    /** How often each message ended how. */
    readonly outcomes = new Map<string, number>();
    /** The most gas that a message has cost, by its name and end. */
    readonly gas = new Map<string, bigint>();
    readonly watches: Watch[] = [];
    deliveries = 0;
    /** Most nanoTON of each Provider that ends of second reports would have freed, which it did not take. */
    unreleased: ReadonlyMap<Account, bigint> = new Map();
    private wire: Wired[] = [];
    private readonly sentAt = new WeakMap<Wired, number>();
    private readonly hidden: Cell[] = [];
    private beginning!: Mark;

    private constructor(
        readonly network: Network,
        readonly accounts: Accounts,
        readonly prices: Record<PriceLevel, Prices>,
        private readonly hashes: CodeHashes,
    ) {}

    /** A launched Registry, and the states of the others before their first message. */
    static async launch(): Promise<Session> {
        const network = await Network.create();
        const accounts = await Accounts.create();
        const { plain, library, disputes } = accounts.codes;
        await launchRegistry(network, accounts);
        const launched = network.snapshot();
        const prices = await measurePrices(network, accounts);
        await network.restore(launched);
        const hexOf = (code: Cell) => code.hash().toString('hex');
        const hashes = { plain: hexOf(plain), library: hexOf(library), disputes: disputes.map(hexOf) };
        const session = new Session(network, accounts, prices, hashes);
        await session.first();
        return session;
    }

    private async first(): Promise<void> {
        const { network, accounts } = this;
        this.setPrices('2025');
        this.setLibrary(true);
        const codes = { provider: 1, node: 1, escrow: 0, channel: 0, dispute: 1 };
        const balance = await network.balanceOf(accounts.registry);
        const rest = { governor: GOVERNOR, delay: DELAY, paused: false, rules: FIRST_RULES, codes, balance };
        this.play({ kind: 'create', account: accounts.registry, contract: { kind: 'registry', ...rest } });
        this.beginHere();
    }

    /** Episodes begin from here. */
    beginHere(): void {
        this.beginning = this.mark();
    }

    /** As it was in the beginning. */
    async begin(): Promise<void> {
        await this.back(this.beginning);
    }

    /** This moment, to come back to. Nothing may be on its way. */
    mark(): Mark {
        const { state, level, unreleased, network } = this;
        return { state, level, unreleased, snapshot: network.snapshot() };
    }

    async back({ state, level, unreleased, snapshot }: Mark): Promise<void> {
        await this.network.restore(snapshot);
        this.state = state;
        this.level = level;
        this.unreleased = unreleased;
        this.wire = [];
        this.network.publish(this.libraries(state.library));
    }

    get now(): number {
        return this.state.now;
    }

    /** A value with which every message runs now. */
    get plenty(): bigint {
        return plentyAt(this.level);
    }

    private play(event: Event): Outcome | undefined {
        const { state, outcome } = apply(this.state, event);
        this.state = state;
        return outcome;
    }

    /** Lets time pass, and has anyone pay rent for nodes and cases that would be frozen soon. */
    pass(seconds: number): void {
        this.network.pass(seconds);
        this.play({ kind: 'pass', seconds });
        if (seconds < DAY) {
            return;
        }
        const rent = this.plenty / 40n;
        for (const [to, contract] of this.state.contracts) {
            const reserved = contract.kind === 'dispute' ? contract.bond : 0n;
            const lives = contract.kind === 'node' || contract.kind === 'dispute';
            if (lives && contract.state !== 'new' && contract.balance < reserved + rent) {
                this.send({ from: STRANGER, to, value: rent, bounce: false, body: { op: 'none' } });
            }
        }
    }

    /** {@link pass}, but whatever would be on its way for too long by then is delivered before. */
    async wait(seconds: number): Promise<void> {
        const isLate = (index: number) => this.now + seconds - this.sentAt.get(this.wire[index])! > LONGEST_WAY;
        for (let late = this.next.find(isLate); late !== undefined; late = this.next.find(isLate)) {
            await this.deliver(late);
        }
        this.pass(seconds);
    }

    private carry(wired: Wired): void {
        this.wire.push(wired);
        this.sentAt.set(wired, this.now);
    }

    setPrices(level: PriceLevel): void {
        this.level = level;
        this.network.setPrices(level);
        this.play({ kind: 'prices', prices: this.prices[level] });
    }

    /** Jobs that stand in library cells are known to the chain, too: they must be refused all the same. */
    private libraries(present: boolean): Cell[] {
        return [...this.hidden, ...(present ? [this.accounts.codes.plain] : [])];
    }

    setLibrary(present: boolean): void {
        this.network.publish(this.libraries(present));
        this.play({ kind: 'library', present });
    }

    /** The contract of a kind at an account, if there is one. */
    get<K extends Contract['kind']>(kind: K, account: Account): Extract<Contract, { kind: K }> | undefined {
        const found = this.state.contracts.get(account);
        return found?.kind === kind ? (found as Extract<Contract, { kind: K }>) : undefined;
    }

    all<K extends Contract['kind']>(kind: K): [Account, Extract<Contract, { kind: K }>][] {
        return [...this.state.contracts].filter(([, { kind: other }]) => other === kind) as never;
    }

    /** Puts a message on its way in both. `raw` is its cell where that is not simply the body's. */
    send(message: Message, raw?: Cell): void {
        const { from, to, value, bounce, external } = message;
        const body = raw ?? cellOfBody(this.accounts, to, message.body);
        this.publishHidden(message.body);
        const init = message.init && this.accounts.inits.get(to);
        const wired = external
            ? this.network.outside(to, body)
            : this.network.inject({ from, to, value, body, bounce, ...(init === undefined ? {} : { init }) });
        this.carry(wired);
        this.play({ kind: 'send', message });
    }

    private publishHidden(body: Message['body']): void {
        const jobs = body.op === 'open' || body.op === 'openJobs' ? body.jobs : [];
        const hidden = jobs.filter(({ malformed }) => malformed === 'library');
        if (hidden.length > 0) {
            this.hidden.push(...hidden.map(({ malformed: _, ...job }) => newJobCell(job)));
            this.network.publish(this.libraries(this.state.library));
        }
    }

    /** Removes an external message that never arrives. */
    drop(index: number): void {
        if (this.state.queue[index]?.external) {
            this.wire.splice(index, 1);
            this.state = { ...this.state, queue: this.state.queue.filter((_, place) => place !== index) };
        }
    }

    /** Sends a message back that its receiver did not run. */
    bounce(index: number): void {
        const [wired] = this.wire.splice(index, 1);
        this.play({ kind: 'bounce', index });
        this.carry(this.network.returned(wired));
    }

    get next(): number[] {
        return deliverable(this.state);
    }

    /** Delivers everything that is on its way, and all that follows; `pick` chooses among what may be next. */
    async drain(pick: (count: number) => number = () => 0): Promise<void> {
        const most = MAX_DELIVERIES * this.state.queue.length;
        for (let taken = 0; this.state.queue.length > 0; taken++) {
            if (taken > most) {
                throw new Error(`${most} deliveries did not end what was sent`);
            }
            const { next } = this;
            await this.deliver(next[pick(next.length)]);
        }
    }

    /** Delivers one message in both, and compares what came of it. */
    async deliver(index: number): Promise<Outcome> {
        await this.resolve(index);
        const before = this.state;
        const message = before.queue[index];
        const ran = await this.network.deliver(this.wire[index]);
        const stayed = ran.code !== 'done' && ran.sent.length === 0;
        const { balance, code, frozen } = ran;
        const outcome = this.play({ kind: 'deliver', index, facts: { balance, code, stayed, frozen } })!;
        this.wire.splice(index, 1);
        this.count(message, ran);
        this.noteUnreleased(message);
        try {
            await this.agree(before, message, outcome, ran);
            this.network.checkTotal();
            this.watches.forEach((watch) => watch(before, this.state, outcome));
        } catch (error) {
            const { body, from, to, value, bounced } = message;
            const what = `${bounced ? 'bounced ' : ''}${textOf(body)} from ${from} to ${to} with ${value}`;
            throw new Error(`${(error as Error).message}\n  after ${what}\n  at ${this.now}, prices ${this.level}`, {
                cause: error,
            });
        }
        return outcome;
    }

    private noteUnreleased({ from, body, bounced }: Message): void {
        if (bounced && body.op === 'caseClosed' && body.duplicate) {
            const amount = (this.unreleased.get(from) ?? 0n) + body.fault.amount;
            this.unreleased = new Map([...this.unreleased, [from, amount]]);
        }
    }

    private count({ body, bounced }: Message, { code, gas }: Ran): void {
        this.deliveries += 1;
        const end = `${bounced ? 'bounced ' : ''}${body.op} ${code}`;
        this.outcomes.set(end, (this.outcomes.get(end) ?? 0) + 1);
        const most = this.gas.get(end) ?? 0n;
        this.gas.set(end, gas > most ? gas : most);
    }

    /** Fills in the accounts that depend on the state at the delivery. */
    private async resolve(index: number): Promise<void> {
        const message = this.state.queue[index];
        const receiver = this.state.contracts.get(message.to);
        const { body } = message;
        if ((body.op === 'open' || body.op === 'openJobs') && receiver?.kind === 'escrow' && !message.bounced) {
            this.replace(index, { ...message, body: this.withChannels(body, message.to, receiver.code) });
        }
        if (body.op === 'jobOrder' && receiver?.kind === 'escrow' && !message.bounced) {
            const channel = this.accounts.sameJob(body.job, receiver.code ?? 'plain');
            this.replace(index, { ...message, body: { ...body, channel } });
        }
        if (body.op === 'registerNode' && receiver?.kind === 'provider' && !message.bounced) {
            const node = await this.accounts.node(message.to, receiver.nextNumber);
            this.replace(index, { ...message, body: { ...body, node } });
        }
    }

    private withChannels<B extends BodyOf<'open' | 'openJobs'>>(
        body: B,
        escrow: Account,
        kind: 'plain' | 'library' = 'plain',
    ): B {
        const code = this.accounts.codes[kind];
        const jobs = body.jobs.map((job, place) => {
            const data = channelData(addressOf(escrow), parametersOf(job, body.seqno * 4 + place));
            return { ...job, channel: this.accounts.note({ code, data }) };
        });
        return { ...body, jobs };
    }

    private replace(index: number, message: Message): void {
        this.state = {
            ...this.state,
            queue: this.state.queue.map((each, place) => (place === index ? message : each)),
        };
    }

    private async agree(before: State, message: Message, outcome: Outcome, ran: Ran): Promise<void> {
        const isContract = before.contracts.has(message.to) || message.init !== undefined;
        if (!isContract) {
            this.match(outcome, ran.sent);
            return;
        }
        if (outcome.code !== ran.code) {
            throw new Error(`The model says ${outcome.code}, the chain ${ran.code} (${ran.exitCode})`);
        }
        if (outcome.events.length !== ran.events) {
            throw new Error(`The model says ${outcome.events.length} events, the chain ${ran.events}`);
        }
        this.match(outcome, ran.sent);
        const [least, most] = outcome.balance;
        if (ran.balanceAfter < least || ran.balanceAfter > most) {
            throw new Error(`The model says a balance from ${least} to ${most}, the chain ${ran.balanceAfter}`);
        }
        this.play({ kind: 'rent', account: message.to, balance: ran.balanceAfter });
        if (!ran.frozen) {
            await this.compare(message.to);
        }
    }

    /** Pairs what the model sent with what the chain sent, and puts the chain's values into the model. */
    private match(outcome: Outcome, sent: Sent[]): void {
        const first = this.state.queue.length - outcome.sent.length;
        const unmatched = [...sent];
        const queue = this.state.queue.slice(0, first);
        let rest = 0n;
        for (const message of outcome.sent) {
            const place = unmatched.findIndex((each) => isSame(message, each));
            if (place < 0) {
                // Only a rest, or a value on its way back, may be too small to be sent.
                const isDue = (message.exact && message.value > 0n) || !isRest(message);
                if (isDue) {
                    throw new Error(`The model sent ${textOf(message.body)} with ${message.value} to ${message.to}`);
                }
                rest += message.value;
                continue;
            }
            const [found] = unmatched.splice(place, 1);
            if (message.exact && found.value !== message.value) {
                throw new Error(`The model paid ${message.value} to ${message.to}, the chain ${found.value}`);
            }
            if (message.least !== undefined && found.value < message.least) {
                throw new Error(`The model sent at least ${message.least} to ${message.to}, the chain ${found.value}`);
            }
            if (message.most !== undefined && found.value > message.most) {
                throw new Error(`The model sent at most ${message.most} to ${message.to}, the chain ${found.value}`);
            }
            rest += message.exact ? 0n : message.value - found.value;
            this.carry(found.wired);
            queue.push({ ...message, value: found.value });
        }
        if (unmatched.length > 0) {
            const [{ to, value, op, bounced }] = unmatched;
            const name = op === undefined ? 'a plain transfer' : opcodeName(op);
            throw new Error(
                `The chain sent ${bounced ? 'back ' : ''}${name} with ${value} to ${to}, the model did not`,
            );
        }
        const [least, most] = outcome.balance;
        if (rest < 0n && least === most) {
            throw new Error(`The chain sent ${-rest} nanoTON more than the model`);
        }
        this.state = { ...this.state, queue };
    }

    /** The account's data is what the model says. */
    async compare(account: Account): Promise<void> {
        const contract = this.state.contracts.get(account);
        const data = await this.network.dataOf(account);
        if (contract === undefined || data === undefined) {
            if (contract !== undefined || data !== undefined) {
                throw new Error(`The model says that ${account} ${contract ? 'exists' : 'ended'}, the chain does not`);
            }
            return;
        }
        const { expected, actual } = fieldsOf(contract, data, this.hashes);
        const different = differences(expected, actual);
        if (different.length > 0) {
            throw new Error(`The ${contract.kind} differs: ${different.join('; ')}`);
        }
    }
}

/** The parameters of a job as the wrappers have them. */
export const parametersOf = ({ end, notice, voucherKey, payout }: NewJob, job: number) => ({
    end,
    notice,
    voucherKey: publicKeyOf(voucherKey),
    payout: addressOf(payout).hash,
    job,
});

const NAMELESS = new Set(['none', 'excesses', 'unreadable', 'text', 'unknown', 'short']);

/** Whether a message only carries what is left of a value. */
const isRest = ({ body, bounced, init }: Message): boolean =>
    bounced === true || (NAMELESS.has(body.op) && init === undefined);

/** Whether a message of the chain is this one of the model: sender, receiver, and the opcode where it has a name. */
function isSame({ to, body, bounced }: Message, sent: Sent): boolean {
    if (to !== sent.to || (bounced ?? false) !== sent.bounced) {
        return false;
    }
    if (bounced) {
        return true;
    }
    const name = sent.op === undefined ? 'none' : opcodeName(sent.op);
    return NAMELESS.has(body.op) ? ['none', 'Excesses'].includes(name) : name.toLowerCase() === body.op.toLowerCase();
}
