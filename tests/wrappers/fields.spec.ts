/** What is signed or sent is checked first: nothing wrong becomes a 0, is cut, or is left out without a word. */
import { Address, beginCell, Cell, type ContractProvider, type Sender } from '@ton/core';
import {
    Accept,
    Channel,
    channelData,
    claimBody,
    Decline,
    Dispute,
    errors,
    Escrow,
    Fail,
    gas,
    InvalidField,
    Job,
    jobOrderCell,
    Library,
    listingCell,
    newJobCell,
    Node,
    nodeChanges,
    opcodes,
    openJobsCell,
    Provider,
    Registry,
    registryChanges,
    reports,
    Result,
    signedOrder,
    signingKey,
    tags,
    termsBytes,
    Verdict,
    votesCell,
    Voucher,
} from '@cocoon-market/wrappers';

const ADDRESS = new Address(0, Buffer.alloc(32, 1));
const HASH = Buffer.alloc(32, 2);
const VALUE = 10n ** 9n;
const RECEIPT = Buffer.alloc(100, 3);
const SIGNATURE = Buffer.alloc(64, 4);
const KEY = signingKey(HASH);

const job = { end: 1, notice: 2, voucherKey: HASH, payout: HASH, job: 4 };
const newJob = { deposit: 1n, end: 1, notice: 2, voucherKey: HASH, payout: HASH };
const head = { network: -3, escrow: ADDRESS, seqno: 1, validUntil: 2 };
const rates = { prompt: 1n, cached: 1n, completion: 1n, reasoning: 1n };
const parties = { escrow: HASH, provider: HASH, node: HASH, receiptKey: HASH, payout: HASH };
const limits = { step: 1n, maxParallel: 1, maxAnswer: 1, notice: 1, end: 1 };
const terms = { ...parties, voucherKey: HASH, model: HASH, rates, ...limits };
const voucher = { cumulative: 1n, count: 1, signature: SIGNATURE };
const hardware = { gpuClass: 1, gpus: 1, vram: 24, model: 'GPU' };
const service = { region: 'eu', uptime: 9_900, endpoint: 'https://node.example' };
const offer = { model: 1n, ...rates };
const attestation = { tier: 'tdx' as const, certificate: 1n, expiresAt: 1 };
const listing = { hardware, receiptKey: 1n, encryptionKey: 2n, service, offers: [offer], attestation };
const windows = { evidence: 1, response: 1, verdict: 1, buffer: 1, unbonding: 4, payoutDelay: 1 };
const rules = { ...windows, baseStake: 1n, insurance: ADDRESS, rates: [1n] };
const committee = { threshold: 1, keys: [1n] };
const evidence = { channel: HASH, terms, code: Cell.EMPTY };

const refusal = { job: HASH, number: 1, request: HASH, reason: 1, signedAt: 1 };
const counts = { prompt: 1, cached: 1, completion: 1, reasoning: 1 };
const money = { price: 1n, cumulative: 1n, finishedAt: 1, finish: 1 };

/** Every encoder with fields that it takes. */
const encoders: Record<string, { fields: object; encode: (fields: never) => unknown }> = {
    Voucher: { fields: { network: -3, channel: HASH, cumulative: 1n, count: 1 }, encode: (v) => Voucher.encode(v) },
    Job: { fields: { network: -3, channel: HASH, terms: HASH }, encode: (v) => Job.encode(v) },
    Accept: {
        fields: { job: HASH, number: 1, request: HASH, ceiling: 1n, deadline: 1 },
        encode: (v) => Accept.encode(v),
    },
    Result: {
        fields: { job: HASH, number: 1, index: 1, content: HASH, ...counts, ...money },
        encode: (v) => Result.encode(v),
    },
    Decline: { fields: refusal, encode: (v) => Decline.encode(v) },
    Fail: { fields: refusal, encode: (v) => Fail.encode(v) },
    Verdict: {
        fields: { network: -3, dispute: HASH, class: 4, basisPoints: 1, rulesVersion: 1, validUntil: 1 },
        encode: (v) => Verdict.encode(v),
    },
    Terms: { fields: terms, encode: (v) => termsBytes(v) },
    'rates of Terms': { fields: rates, encode: (v) => termsBytes({ ...terms, rates: v }) },
    'data of a channel': { fields: job, encode: (v) => channelData(ADDRESS, v) },
    'new job': { fields: newJob, encode: (v) => newJobCell(v) },
    OpenJobs: { fields: { ...head, jobs: [newJob] }, encode: (v) => openJobsCell(v) },
    'job of OpenJobs': { fields: newJob, encode: (v) => openJobsCell({ ...head, jobs: [v] }) },
    JobOrder: { fields: { ...head, job, action: 'leave' }, encode: (v) => jobOrderCell(v) },
    'claimed voucher': { fields: voucher, encode: (v) => claimBody(v) },
    Listing: { fields: { ...listing, attestation }, encode: (v) => listingCell(v) },
    Hardware: { fields: hardware, encode: (v) => nodeChanges.hardware(v) },
    Service: { fields: service, encode: (v) => nodeChanges.service(v) },
    Offer: { fields: offer, encode: (v) => nodeChanges.offers([v]) },
    Attestation: { fields: attestation, encode: (v) => nodeChanges.attestation(v) },
    SetKeys: { fields: { receiptKey: 1n, encryptionKey: 1n, oldEndsAt: 1 }, encode: (v) => nodeChanges.keys(v) },
    Rules: { fields: rules, encode: (v) => registryChanges.rules(v) },
    Committee: { fields: committee, encode: (v) => registryChanges.committee(v) },
    Vote: { fields: { member: 0, signature: SIGNATURE }, encode: (v) => votesCell([v]) },
    ReportTwice: { fields: { ...evidence, first: RECEIPT, second: RECEIPT }, encode: (v) => reports.twice(v) },
    ReportExcess: { fields: { ...evidence, result: RECEIPT }, encode: (v) => reports.excess(v) },
    DemandAnswer: { fields: { ...evidence, accept: RECEIPT }, encode: (v) => reports.demand(v) },
    ReportWrong: { fields: { ...evidence, result: RECEIPT, statement: HASH }, encode: (v) => reports.wrong(v) },
};

/** Fields that an encoder fills in if they are left out. */
const mayBeAbsent = new Set(['attestation']);

function refusalOf(encode: (fields: never) => unknown, fields: object): InvalidField {
    try {
        encode(fields as never);
    } catch (error) {
        expect(error).toBeInstanceOf(InvalidField);
        return error as InvalidField;
    }
    throw new Error('nothing was refused');
}

/** Values that do not fit a field which takes this value. */
function misfits(value: unknown): unknown[] {
    if (typeof value === 'bigint') {
        return [-1n, 2n ** 256n, 1, '1', null];
    }
    if (typeof value === 'number') {
        return [2 ** 48, 1.5, NaN, 1n, '1', null];
    }
    if (Buffer.isBuffer(value)) {
        return [Buffer.alloc(3), value.toString('hex'), [...value], null];
    }
    return typeof value === 'string' ? ['x'.repeat(200), 7, null] : [7, 'text', null];
}

describe.each(Object.entries(encoders))('%s', (_, { fields, encode }) => {
    it('is encoded with all its fields', () => {
        expect(() => encode(fields as never)).not.toThrow();
    });

    it.each(Object.keys(fields))('is refused without %s, which the error names', (name) => {
        const { [name as never]: _removed, ...others } = fields;
        if (!mayBeAbsent.has(name)) {
            expect(refusalOf(encode, others).message).toMatch(new RegExp(`\\b${name} must be .+ got nothing`));
        }
    });

    it.each(Object.keys(fields))('is refused when %s does not fit, and the error says what was received', (name) => {
        for (const wrong of misfits(fields[name as never])) {
            const error = refusalOf(encode, { ...fields, [name]: wrong });
            expect(error.field).toContain(name);
            expect(error.expected).not.toBe('');
            expect(error.received).not.toBe('');
        }
    });
});

describe('An error', () => {
    it('names field, range and what was received, at both ends of the range', () => {
        const { fields } = encoders.Voucher;
        const count = (value: unknown) => refusalOf((v) => Voucher.encode(v), { ...fields, count: value }).message;

        expect(count(-1)).toBe('Voucher.count must be a whole number from 0 to 4294967295, got -1');
        expect(count(2 ** 32)).toContain('got 4294967296');
        expect(() => Voucher.encode({ ...fields, count: 2 ** 32 - 1 } as never)).not.toThrow();
        expect(() => Voucher.encode({ ...fields, count: 0 } as never)).not.toThrow();
    });

    it.each([
        ...['Voucher.network', 'Job.network', 'Accept.job', 'Result.job', 'Decline.job', 'Fail.job', 'Verdict.network'],
        ...['Terms.escrow', 'OpenJobs.network', 'JobOrder.network'],
    ])('names %s as a field of this payload', (path) => {
        const [name, field] = path.split('.');
        const { fields, encode } = encoders[name];

        expect(refusalOf(encode, { ...fields, [field]: undefined }).field).toBe(path);
    });

    it('names a field of a new job as one', () => {
        expect(refusalOf((v) => newJobCell(v), { ...newJob, deposit: undefined }).field).toBe('job.deposit');
    });

    it('says which unknown name was there when a field is missing', () => {
        const misspelt = { network: -3, channel: HASH, cumulative: 1n, counts: 1 };

        expect(refusalOf((v) => Voucher.encode(v), misspelt).message).toContain('got nothing, but counts');
    });

    it('shows no bytes, which may be secret', () => {
        const secret = Buffer.from('00112233445566778899001122334455', 'hex');

        const { message } = refusalOf((v) => newJobCell(v), { ...newJob, voucherKey: secret });

        expect(message).toContain('got 16 bytes');
        expect(message).not.toContain('8899');
    });
});

describe('A receiver of what signs', () => {
    it('refuses a key that cannot sign', () => {
        expect(() => signedOrder(Cell.EMPTY, { publicKey: HASH } as never)).toThrow('key must be a SigningKey');
        expect(signedOrder(beginCell().endCell(), KEY).bits.length).toBe(512);
    });
});

const nowhere = {} as ContractProvider;
const nobody = { send: () => Promise.reject(new Error('it was sent')) } as unknown as Sender;

/** Every send with what it takes besides the value. */
const sends: [string, (args: never) => Promise<void>, object][] = (() => {
    const channel = Channel.fromAddress(ADDRESS);
    const escrow = Escrow.fromAddress(ADDRESS);
    const library = Library.fromAddress(ADDRESS);
    const node = Node.fromAddress(ADDRESS);
    const provider = Provider.fromAddress(ADDRESS);
    const registry = Registry.fromAddress(ADDRESS);
    const dispute = Dispute.fromAddress(ADDRESS);
    const settings = { spendKey: HASH, jobLimit: 1n, dayLimit: 1n, channelCode: null };
    const which = { number: 0 };
    const table: Record<string, [object, Record<string, object>]> = {
        Channel: [channel, { sendTopUp: {}, sendClaim: {}, sendRefund: {} }],
        Escrow: [
            escrow,
            {
                ...{ sendDeposit: {}, sendSetUp: { ...settings, deposit: 1n } },
                ...{ sendOpen: { seqno: 0, jobs: [newJob] }, sendLeaveJob: { channel: ADDRESS } },
                sendWithdraw: { amount: 1n },
            },
        ],
        Library: [library, { sendPublish: { code: Cell.EMPTY }, sendTopUp: {} }],
        Node: [node, { sendRent: {}, sendReport: { report: Cell.EMPTY }, sendClear: {} }],
        Provider: [
            provider,
            {
                ...{ sendJoin: { stake: 1n, payout: ADDRESS }, sendAdopt: {}, sendAddStake: { amount: 1n } },
                ...{ sendUnbond: { amount: 1n }, sendCancelUnbonding: { slot: 0 }, sendWithdrawStake: { slot: 0 } },
                ...{ sendWithdrawSurplus: {}, sendSetOperator: { operator: null }, sendSetPayout: { payout: ADDRESS } },
                ...{ sendUnjail: {}, sendRegisterNode: { code: Cell.EMPTY, listing: Cell.EMPTY } },
                ...{ sendChangeNode: { ...which, change: Cell.EMPTY }, sendCloseNode: which },
                sendReplaceHardware: { ...which, share: 1n, gpus: 1, change: Cell.EMPTY },
            },
        ],
        Registry: [
            registry,
            {
                ...{ sendLaunch: { rules, committee, codes: {}, catalogue: 1n }, sendExecuteChange: {} },
                ...{ sendProposeChange: { change: Cell.EMPTY }, sendCancelChange: {}, sendSetPaused: { paused: true } },
                ...{ sendSetCatalogue: { catalogue: 1n }, sendProposeGovernor: { governor: ADDRESS } },
                ...{ sendAcceptGovernor: {}, sendTopUp: {} },
                sendAnnounceDemand: { model: 1n, queriesPerDay: 1, endsAt: 1 },
            },
        ],
        Dispute: [
            dispute,
            {
                ...{ sendPiece: { result: RECEIPT, answer: HASH, index: 0 }, sendFail: { fail: RECEIPT } },
                ...{ sendVoucher: { result: RECEIPT, voucher }, sendStatement: { statement: HASH } },
                sendVerdict: { basisPoints: 1, validUntil: 1, votes: [{ member: 0, signature: SIGNATURE }] },
                ...{ sendDecide: {}, sendClear: {} },
            },
        ],
    };
    return Object.entries(table).flatMap(([contract, [instance, methods]]) =>
        Object.entries(methods).map(([method, args]): [string, (args: never) => Promise<void>, object] => {
            const send = (instance as Record<string, (...all: unknown[]) => Promise<void>>)[method];
            return [`${contract}.${method}`, (given) => send.call(instance, nowhere, nobody, given), args];
        }),
    );
})();

describe.each(sends)('%s', (_, send, args) => {
    it('refuses a value that is missing, negative or no bigint, and sends nothing', async () => {
        for (const value of [undefined, -1n, 1, 2n ** 120n]) {
            await expect(send({ ...args, value } as never)).rejects.toThrow(InvalidField);
        }
    });

    it('refuses each of its fields when it is missing or of another type', async () => {
        for (const name of Object.keys(args)) {
            for (const wrong of [undefined, 'text', -5, ['x']]) {
                await expect(send({ value: VALUE, ...args, [name]: wrong } as never)).rejects.toThrow(name);
            }
        }
    });

    it('refuses a field that it does not know, such as one that is misspelt', async () => {
        await expect(send({ value: VALUE, ...args, queryIds: 1n } as never)).rejects.toThrow(
            /queryIds must be one of its fields \(.*\), got an unknown name/,
        );
    });
});

it('covers every send of the wrappers', () => {
    const covered = sends.map(([name]) => name);
    const contracts = { Channel, Escrow, Library, Node, Provider, Registry, Dispute };
    for (const [name, contract] of Object.entries(contracts)) {
        const instance = contract.fromAddress(ADDRESS) as object;
        const methods = [...Object.keys(instance), ...Object.getOwnPropertyNames(Object.getPrototypeOf(instance))];
        const ofMessages = methods.filter(
            (method) => /^send[A-Z]/.test(method) && !/External|Order|OpenJobs/.test(method),
        );
        expect(ofMessages.map((method) => `${name}.${method}`).filter((each) => !covered.includes(each))).toEqual([]);
    }
});

describe('Public constants', () => {
    it('have exact types: a name that does not exist does not compile', () => {
        // @ts-expect-error -- no such exit code
        expect(errors.ErrDoesNotExist).toBeUndefined();
        // @ts-expect-error -- no such opcode
        expect(opcodes.DoesNotExist).toBeUndefined();
        // @ts-expect-error -- no such ceiling
        expect(gas.GasDoesNotExist).toBeUndefined();
        // @ts-expect-error -- no such tag
        expect(tags.TagDoesNotExist).toBeUndefined();
        expect(errors.ErrNotOwner).toBe(1000);
    });

    it('cannot be assigned to', () => {
        // @ts-expect-error -- read only
        const assign = () => (errors.ErrNotOwner = 1);
        expect(assign).toBeInstanceOf(Function);
    });
});
