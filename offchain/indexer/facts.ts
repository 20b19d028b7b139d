/**
 * What one transaction says of the market. A fact follows from its transaction alone, so the same history gives the
 * same facts in whatever order it is read.
 */
import {
    channelCode,
    Escrow,
    libraryOf,
    loadChannelData,
    type NewJob,
    Node,
    type Offer,
    numberToHex,
    Provider,
    readHistoryMessage,
    readMarketEvent,
    readOrder,
    serviceBytes,
} from '@cocoon-market/wrappers';
import { Address, type Cell, contractAddress, type Message, type StateInit, type Transaction } from '@ton/core';
import { feesOfRun, messagesOut, type ProvedTransaction, succeeded } from './transaction';

/** Why an account is followed. An account in two roles has two logs. */
export const roles = ['registry', 'provider', 'payout', 'escrow', 'channel'] as const;
export type LogRole = (typeof roles)[number];

/**
 * Kinds, with `subject` and `object` (raw addresses):
 * provider (provider, owner), node (node's key, provider), demand (client, their escrow), rules; of a provider's log
 * payout (payout), case, caseEnd, slash, unjail; of a payout's log received (sender); of an escrow's log
 * opened (channel, payout), returned (sender); of a channel's log deployed (escrow, payout), claim, leave, ended;
 * unreadable in any.
 */
export interface Fact {
    kind: string;
    subject: string;
    object: string;
    body: FactBody;
}

/** JSON: amounts in nanoTON as decimal strings, times in unix seconds. */
export type FactBody = Record<string, unknown>;

const fact = (kind: string, subject = '', object = '', body: FactBody = {}): Fact => ({ kind, subject, object, body });

/** The facts of a transaction in the log of `account`, in their order. `registry`: of the market. */
export async function factsOf(
    { role, account, registry }: { role: LogRole; account: Address; registry: Address },
    { content }: ProvedTransaction,
): Promise<Fact[]> {
    if (content === undefined) {
        return [fact('unreadable')];
    }
    switch (role) {
        case 'registry':
            return factsOfRegistry(registry, content);
        case 'provider':
            return factsOfProvider(content);
        case 'payout':
            return factsOfPayout(content);
        case 'escrow':
            return factsOfEscrow(account, content);
        case 'channel':
            return factsOfChannel(account, content);
    }
}

const eventsIn = (content: Transaction): Cell[] =>
    messagesOut(content).flatMap(({ info, body }) => (info.type === 'external-out' ? [body] : []));

async function factsOfRegistry(registry: Address, content: Transaction): Promise<Fact[]> {
    const facts: Fact[] = [];
    for (const body of eventsIn(content)) {
        try {
            facts.push(...(await factsOfEvent(registry, body, content)));
        } catch {
            facts.push(fact('unreadable', '', '', { event: body.toBoc().toString('base64') }));
        }
    }
    return facts;
}

async function factsOfEvent(registry: Address, body: Cell, { inMessage }: Transaction): Promise<Fact[]> {
    const event = readMarketEvent(body);
    switch (event?.type) {
        case 'provider': {
            const provider = event.provider.toRawString();
            // The address proves code, registry and owner.
            const knownCode = (await Provider.ofOwner(registry, event.owner)).address.equals(event.provider);
            return [fact('provider', provider, event.owner.toRawString(), { stake: `${event.stake}`, knownCode })];
        }
        case 'node': {
            const provider = event.provider.toRawString();
            const { offers, service, ...rest } = event.change;
            const change = {
                ...rest,
                ...(offers && { offers: offers.map(offerJson) }),
                ...(service && { service: { uptime: service.uptime, ...textsOf(body) } }),
            };
            const node = (await Node.ofProvider(event.provider, event.number)).address;
            // A node announces itself, and its address proves its code. A provider announces what it knows of a node.
            const isOwn = isInternal(inMessage) && readHistoryMessage(inMessage.body)?.name === 'AnnounceSelf';
            const announced = {
                ...{ number: event.number, node: node.toRawString() },
                ...(isOwn && { knownCode: inMessage.info.src.equals(node) }),
                ...change,
            };
            return [fact('node', nodeKey(provider, event.number), provider, announced)];
        }
        case 'demand': {
            const escrow = (await Escrow.ofOwner(event.client)).address.toRawString();
            const { queriesPerDay, endsAt } = event;
            const demand = { model: numberToHex(event.model), queriesPerDay, endsAt };
            return [fact('demand', event.client.toRawString(), escrow, demand)];
        }
        case undefined: {
            const message = readHistoryMessage(body);
            return message?.name === 'WorkPaused' || message?.name === 'CatalogueChanged'
                ? [fact('rules', '', '', { ...message })]
                : [];
        }
    }
}

/** Names a node by its provider and its number, whatever code it has. */
export const nodeKey = (provider: string, number: number): string => `${provider}/${String(number).padStart(10, '0')}`;

function offerJson({ model, prompt, cached, completion, reasoning }: Offer): FactBody {
    const rates = { prompt: `${prompt}`, cached: `${cached}`, completion: `${completion}`, reasoning: `${reasoning}` };
    return { model: numberToHex(model), ...rates };
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** The texts as they are; bytes that are no printable ASCII come as hex, too. */
function textsOf(announced: Cell): FactBody {
    const bytes = Object.entries<Buffer>({ ...serviceBytes(announced) });
    return Object.fromEntries(
        bytes.flatMap(([name, value]) => {
            const text = [name, value.toString('utf8')] as const;
            const isPlain = PRINTABLE.test(value.toString('latin1'));
            return isPlain ? [text] : [text, [`${name}Hex`, value.toString('hex')] as const];
        }),
    );
}

function factsOfProvider(content: Transaction): Fact[] {
    if (!succeeded(content)) {
        return [];
    }
    const facts: Fact[] = [];
    const { inMessage } = content;
    const message = isInternal(inMessage) && !inMessage.info.bounced ? readHistoryMessage(inMessage.body) : undefined;
    if (message?.name === 'Join' || message?.name === 'SetPayout') {
        facts.push(fact('payout', message.payout.toRawString(), '', { by: message.name }));
    } else if (message?.name === 'CaseClosed') {
        const dispute = (inMessage as InternalMessage).info.src.toRawString();
        facts.push(fact('caseEnd', dispute, '', jsonOf(message)));
    } else if (message?.name === 'Unjail') {
        facts.push(fact('unjail'));
    }
    for (const body of eventsIn(content)) {
        const event = readHistoryMessage(body);
        if (event?.name === 'CaseOpened') {
            facts.push(fact('case', `0:${event.dispute}`, '', jsonOf(event)));
        } else if (event?.name === 'StakeSlashed') {
            facts.push(fact('slash', event.job, '', jsonOf(event)));
        }
    }
    return facts;
}

const jsonOf = ({ name: _, ...fields }: { name: string }): FactBody =>
    Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, typeof value === 'bigint' ? `${value}` : value]),
    );

const factsOfPayout = (content: Transaction): Fact[] => plainPayment('received', content);

/** Money without a body, as a channel sends it. Whether it came from a channel only its sender's history says. */
function plainPayment(kind: 'received' | 'returned', { inMessage }: Transaction): Fact[] {
    if (
        !isInternal(inMessage) ||
        inMessage.info.bounced ||
        inMessage.body.bits.length + inMessage.body.refs.length > 0
    ) {
        return [];
    }
    const { src, createdLt } = inMessage.info;
    if (createdLt === 0n) {
        return []; // from nowhere, as a local network makes coins
    }
    return [fact(kind, src.toRawString(), '', { createdLt: `${createdLt}` })];
}

async function factsOfEscrow(escrow: Address, content: Transaction): Promise<Fact[]> {
    const { inMessage } = content;
    const deposits = depositsIn(inMessage);
    const facts = plainPayment('returned', content);
    for (const message of messagesOut(content)) {
        const job = isInternal(message) ? await jobDeployed(message.info.dest, message.init) : undefined;
        if (job !== undefined && job.escrow.equals(escrow)) {
            const deposit = deposits[job.job % JOBS_PER_ORDER]?.deposit;
            const terms = { job: job.job, notice: job.notice, end: job.end };
            const channel = (message as InternalMessage).info.dest.toRawString();
            const body = { ...terms, ...(deposit !== undefined && { deposit: `${deposit}` }) };
            facts.push(fact('opened', channel, `0:${job.payout.toString('hex')}`, body));
        }
    }
    return facts;
}

const JOBS_PER_ORDER = 4;

/** The jobs of an order, by their position in it. */
function depositsIn(inMessage: Transaction['inMessage']): Pick<NewJob, 'deposit'>[] {
    try {
        if (inMessage?.info.type === 'external-in') {
            return readOrder(inMessage.body).jobs;
        }
        const message = inMessage && readHistoryMessage(inMessage.body);
        return message?.name === 'Open'
            ? message.jobs.refs.map((job) => ({ deposit: job.beginParse().loadUintBig(64) }))
            : [];
    } catch {
        return [];
    }
}

async function factsOfChannel(channel: Address, content: Transaction): Promise<Fact[]> {
    const { inMessage } = content;
    if (!isInternal(inMessage)) {
        return [];
    }
    const facts: Fact[] = [];
    const { info, init, body } = inMessage;
    const job = await jobDeployed(channel, init);
    // Anyone may deploy a channel, and name any account of the network as its escrow: the escrow itself must send it.
    if (job?.escrow.equals(info.src) === true) {
        const terms = { job: job.job, notice: job.notice, end: job.end };
        facts.push(fact('deployed', job.escrow.toRawString(), `0:${job.payout.toString('hex')}`, terms));
    }
    if (info.bounced || !succeeded(content)) {
        return facts;
    }
    const message = readHistoryMessage(body);
    const sent = messagesOut(content).filter(isInternal);
    if (sent.length === 0 && message?.name !== 'Leave') {
        return facts; // a channel pays in each of the others; a contract of a stranger need not
    }
    const by = info.src.toRawString();
    switch (message?.name) {
        case 'Claim':
        case 'ClaimLast': {
            const isLast = message.name === 'ClaimLast';
            const amount =
                isLast || sent.length === 1 ? besidesValue(content, info.value.coins) : sent[0].info.value.coins;
            if (amount > 0n) {
                facts.push(fact('claim', '', by, { amount: `${amount}`, cumulative: `${message.cumulative}` }));
            }
            if (isLast) {
                const rest = sent.length > 1 ? sent[0].info.value.coins : 0n; // no message carries nothing
                facts.push(fact('ended', '', by, { how: 'claimed', rest: `${rest}` }));
            }
            break;
        }
        case 'Refund': {
            // An escrow that refunds gets one message with everything.
            const rest = sent.length > 1 ? sent[0].info.value.coins : besidesValue(content, info.value.coins);
            facts.push(fact('ended', '', by, { how: 'refunded', rest: `${rest}` }));
            break;
        }
        case 'Leave':
            facts.push(fact('leave', '', by));
            break;
        default:
            break;
    }
    return facts;
}

/**
 * nanoTON that the last message carries besides the value that came in. It carries them together with what the fees
 * have left of the value.
 */
function besidesValue(content: Transaction, value: bigint): bigint {
    const received = messagesOut(content).filter(isInternal).at(-1)?.info.value.coins ?? 0n;
    return received + feesOfRun(content) - value;
}

interface InternalMessage extends Message {
    info: Extract<Message['info'], { type: 'internal' }>;
}

const isInternal = (message: Message | null | undefined): message is InternalMessage =>
    message?.info.type === 'internal';

let channelCodes: Promise<string[]> | undefined; // hashes: the code itself, and its library cell

async function knownChannelCodes(): Promise<string[]> {
    const code = await channelCode();
    return [code, libraryOf(code).cell].map((cell) => cell.hash().toString('hex'));
}

/** The job of a channel that this state deploys at `account`; undefined if it is no channel of this release. */
async function jobDeployed(account: Address, init: StateInit | null | undefined) {
    if (!init?.code || !init.data || account.workChain !== 0) {
        return undefined;
    }
    const hashes = await (channelCodes ??= knownChannelCodes());
    if (!hashes.includes(init.code.hash().toString('hex')) || !contractAddress(0, init).equals(account)) {
        return undefined;
    }
    try {
        return loadChannelData(init.data);
    } catch {
        return undefined; // anyone may deploy the code with other data
    }
}

/** True if a transaction is one in which a channel pays or ends. */
export function isClaimOrEnd({ content }: ProvedTransaction): boolean {
    const { inMessage } = content ?? {};
    const name = isInternal(inMessage) ? readHistoryMessage(inMessage.body)?.name : undefined;
    return name === 'Claim' || name === 'ClaimLast' || name === 'Refund';
}
