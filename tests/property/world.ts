/** A market on chain whose accounts are read from their data cells, and the checks that hold after every message. */
import { Address, beginCell, Cell, contractAddress, ContractProvider, toNano } from '@ton/core';
import { Blockchain, BlockchainSnapshot, internal } from '@ton/sandbox';
import { Dispute } from '../../wrappers/Dispute';
import { listingCell, Node } from '../../wrappers/Node';
import { Provider } from '../../wrappers/Provider';
import { Committee, Registry, registryChanges, Rules } from '../../wrappers/Registry';
import { accountsOf, createBlockchain, exitCodeOf, feesOf, START } from '../support/chain';
import { rentOf } from '../support/market';
import { committeeOf, DAY, keyOf, listingWith, rulesWith } from '../support/stake';
import { Payment } from './model';

export const OWNERS = 3;
export const CODES = 8; // versions of a Dispute, as many as a registry takes
export const DELAY = 7 * DAY; // of the registry's changes
const VALUE = toNano('20'); // nanoTON with every message: more than any bond and fee

type Sent = { to: Address; body: Cell };
type Wrapper = { address: Address };

/** An address that nobody has deployed: it takes money and answers nothing. */
export function accountNamed(name: string): Address {
    return new Address(0, Buffer.from(keyOf(name).toString(16).padStart(64, '0'), 'hex'));
}

export const addressOf = (account: string): Address => new Address(0, Buffer.from(account, 'hex'));

export const hex = ({ hash }: Address): string => hash.toString('hex');

/** The message that a wrapper's method sends, instead of sending it. */
export async function messageOf<T extends Wrapper>(
    contract: T,
    send: (contract: T, provider: ContractProvider, via: never) => Promise<void>,
): Promise<Sent> {
    let body = Cell.EMPTY;
    const keep = (message: { body?: Cell | null }) => {
        body = message.body ?? body;
        return Promise.resolve();
    };
    const provider = { internal: (_via: unknown, message: { body?: Cell }) => keep(message) }; // of an opening
    await send(contract, provider as unknown as ContractProvider, { send: keep } as never);
    return { to: contract.address, body };
}

export interface Ran {
    refused?: { by: string; code: number };
    paid: Payment[];
    touched: Set<string>;
    moved: Map<string, { before: bigint; after: bigint; rent: bigint }>;
}

export class World {
    private readonly balances = new Map<string, bigint>();
    readonly insurances = ['insurance', 'other insurance'].map(accountNamed);
    readonly stranger = accountNamed('stranger');
    readonly governor = accountNamed('governor');
    readonly owners = Array.from({ length: OWNERS }, (_, index) => accountNamed(`owner ${index}`));
    private fresh!: BlockchainSnapshot;

    private constructor(
        readonly blockchain: Blockchain,
        readonly registry: Registry,
        readonly providers: Provider[],
        readonly codes: { node: Cell; disputes: Cell[] },
    ) {}

    static async launch(stake: bigint): Promise<World> {
        const blockchain = await createBlockchain();
        blockchain.recordStorage = false;
        const governor = accountNamed('governor');
        const registry = await Registry.ofGovernor(governor, DELAY);
        const owners = Array.from({ length: OWNERS }, (_, index) => accountNamed(`owner ${index}`));
        const providers = await Promise.all(owners.map((owner) => Provider.ofOwner(registry.address, owner)));
        const dispute = (await Dispute.ofFault(governor, { class: 'A1', job: Buffer.alloc(32), query: 0 })).init!.code;
        const node = (await Node.ofProvider(governor, 0)).init!.code;
        const codes = { node, disputes: Array.from({ length: CODES }, (_, version) => twinOf(dispute, version)) };
        const world = new World(blockchain, registry, providers, codes);

        const topUp = await messageOf(registry, (r, p, via) => r.sendTopUp(p, via, { value: 0n, opens: true }));
        await world.send(governor, topUp, { init: registry.init });
        const launched = await world.sendWith(governor, registry, (r, p, via) =>
            r.sendLaunch(p, via, {
                value: 0n,
                rules: world.rulesOf({}),
                committee: committee(0),
                codes: { provider: providers[0].init!.code, node, dispute },
                catalogue: 1n,
            }),
        );
        if (launched.refused !== undefined) {
            throw new Error(`The registry refused its launch with ${launched.refused.code}`);
        }
        for (const [index, provider] of providers.entries()) {
            const payout = accountNamed('payout');
            const join = await messageOf(provider, (c, p, via) => c.sendJoin(p, via, { value: 0n, stake, payout }));
            await world.send(owners[index], join, { init: provider.init, value: stake + VALUE });
        }
        world.fresh = blockchain.snapshot();
        return world;
    }

    rulesOf(overrides: Partial<Rules>): Rules {
        return rulesWith(this.insurances[0], { rates: [toNano('10'), toNano('20'), toNano('2')], ...overrides });
    }

    async restart(): Promise<void> {
        await this.blockchain.loadFrom(this.fresh);
        this.blockchain.now = START;
        this.balances.clear();
        for (const { address, balance } of accountsOf(this.blockchain)) {
            this.balances.set(hex(address), balance);
        }
    }

    async sendWith<T extends Wrapper>(
        from: Address,
        contract: T,
        send: (contract: T, provider: ContractProvider, via: never) => Promise<void>,
        options: { value?: bigint } = {},
    ): Promise<Ran> {
        return this.send(from, await messageOf(contract, send), options);
    }

    /** Sends a message with money from nowhere, and asserts that all of it and of every account it met is somewhere. */
    async send(
        from: Address,
        { to, body }: Sent,
        { value = VALUE, init, bounce = true }: { value?: bigint; init?: Registry['init']; bounce?: boolean } = {},
    ): Promise<Ran> {
        const message = internal({ from, to, value, body, bounce, ...(init === undefined ? {} : { stateInit: init }) });
        const { transactions } = await this.blockchain.sendMessage(message);

        const touched = new Set<string>();
        const paid: Payment[] = [];
        const moved: Ran['moved'] = new Map();
        let refused: Ran['refused'];
        for (const tx of transactions) {
            const by = tx.address.toString(16).padStart(64, '0');
            touched.add(by);
            const held = moved.get(by) ?? { before: this.balances.get(by) ?? 0n, after: 0n, rent: 0n };
            moved.set(by, { ...held, rent: held.rent + rentOf(tx) });
            const code = exitCodeOf(tx);
            if (code !== undefined && code !== 0) {
                if (refused !== undefined) {
                    throw new Error(`${by} refused with ${code} after ${refused.by} did with ${refused.code}`);
                }
                refused = { by, code };
            }
            for (const { info, body: sent } of tx.outMessages.values()) {
                if (info.type === 'internal' && !info.bounce && !info.bounced && sent.bits.length === 0) {
                    paid.push({ from: by, to: hex(info.dest), value: info.value.coins });
                }
            }
        }
        let change = 0n;
        for (const [account, held] of moved) {
            held.after = await this.balanceOf(account);
            change += held.after - held.before;
            this.balances.set(account, held.after);
        }
        const fees = feesOf(transactions);
        if (change !== value - fees) {
            throw new Error(`Balances rose by ${change} for a value of ${value} and fees of ${fees} nanoTON`);
        }
        return { ...(refused === undefined ? {} : { refused }), paid, touched, moved };
    }

    async balanceOf(account: string): Promise<bigint> {
        return (await this.blockchain.getContract(addressOf(account))).balance;
    }

    /** The account's data, undefined where nothing is deployed. */
    async dataOf(account: string): Promise<Cell | undefined> {
        const { accountState } = await this.blockchain.getContract(addressOf(account));
        return accountState?.type === 'active' ? (accountState.state.data ?? undefined) : undefined;
    }

    /** The Dispute of one of the codes about a fault, as a Provider deploys it. */
    async disputeOf(
        provider: Address,
        fault: Parameters<typeof Dispute.ofFault>[1],
        code: number,
    ): Promise<{ address: Address; init: { code: Cell; data: Cell } }> {
        const { data } = (await Dispute.ofFault(provider, fault)).init!;
        const init = { code: this.codes.disputes[code] ?? Cell.EMPTY, data };
        return { address: contractAddress(0, init), init };
    }

    get node(): { code: Cell; listing: (hardware: { gpuClass: number; gpus: number }, key: bigint) => Cell } {
        const listing = (hardware: { gpuClass: number; gpus: number }, receiptKey: bigint) =>
            listingCell(listingWith({ hardware: { ...hardware, vram: 80, model: 'GPU' }, receiptKey }));
        return { code: this.codes.node, listing };
    }
}

/** The committees that the market knows, by their place. */
export function committee(index: number): Committee {
    return index === 0 ? committeeOf(3, 2) : committeeOf(5, 4);
}

export const changeCells = {
    rules: registryChanges.rules,
    committee: (index: number): Cell => registryChanges.committee(committee(index)),
    dispute: (code: Cell): Cell => registryChanges.code('dispute', code),
};

/** The same contract under another hash: the last instruction jumps, so that what follows it never runs. */
function twinOf(code: Cell, version: number): Cell {
    return beginCell()
        .storeSlice(code.beginParse())
        .storeUint(0, 8 * version)
        .endCell();
}
