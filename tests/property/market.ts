/** A market of providers on chain and in the model: takes every step on both, and checks what must hold after it. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { Cell, toNano } from '@ton/core';
import { Node } from '../../wrappers/Node';
import { errorName } from '../../wrappers/protocol';
import { Provider } from '../../wrappers/Provider';
import { disputeOf, nodeOf, providerOf } from './accounts';
import { Evidence, keyNumber } from './evidence';
import {
    ModelCase,
    ModelNode,
    ModelProvider,
    ModelRules,
    openNodes,
    Payment,
    Refusal,
    FaultModel,
    there,
} from './model';
import { addressOf, hex, Ran, World } from './world';

const STAKE = toNano('400'); // of every provider in the beginning
const RENT = toNano('0.1'); // what anyone pays ahead for an account whose reserve runs out

/** What kind of step it is: one that takes the surplus home, or one about a fault. */
export interface About {
    surplus?: boolean;
    fault?: boolean;
}

export class StakeMarket {
    /** How often each kind of step ended how. */
    readonly outcomes = new Map<string, number>();
    model = new FaultModel();
    newest!: ModelRules;
    pending?: { executeAt: number; rules: ModelRules };
    evidence = new Map<string, Evidence>(); // by the account of its case
    private keys = 0;
    private reserve = 0n;

    private constructor(readonly world: World) {}

    static async launch(): Promise<StakeMarket> {
        return new StakeMarket(await World.launch(STAKE));
    }

    /** As it was in the beginning: providers with a node of each of two classes. */
    async begin(): Promise<void> {
        const { world } = this;
        await world.restart();
        this.newest = { ...world.rulesOf({}), version: 1, dispute: 0, committee: 0 };
        this.pending = undefined;
        this.evidence = new Map();
        this.keys = 0;
        this.model = new FaultModel();
        this.model.now = world.blockchain.now!;
        for (const [index, { address }] of world.providers.entries()) {
            this.model.join(hex(address), hex(world.owners[index]), this.newest, STAKE);
        }
        this.reserve = (await world.blockchain.openContract(world.providers[0]).getProviderState()).reserve;
        for (const p of this.model.providers) {
            await this.registerNode(p, { gpuClass: 0, gpus: 2 });
            await this.registerNode(p, { gpuClass: 2, gpus: 3 });
        }
        const node = this.nodeContractOf(this.model.providers[0].nodes[0]);
        const values = await world.blockchain.openContract(node).getReportValues(0n, 0n);
        this.model.price({ reportCost: values.cost, demandBond: values.demandBond });
    }

    contractOf(p: ModelProvider): Provider {
        return Provider.fromAddress(addressOf(p.account));
    }

    nodeContractOf(node: ModelNode): Node {
        return Node.fromAddress(addressOf(node.account));
    }

    freshKey(): string {
        this.keys += 1;
        return `key ${this.keys}`;
    }

    async registerNode(p: ModelProvider, hardware: { gpuClass: number; gpus: number }): Promise<void> {
        const key = this.freshKey();
        const { address } = await Node.ofProvider(addressOf(p.account), p.nodes.length);
        const listing = this.world.node.listing(hardware, keyNumber(key));
        await this.both(
            'registerNode',
            p,
            () => this.model.registerNode(p, hex(address), hardware, key),
            () =>
                this.world.sendWith(addressOf(p.owner), this.contractOf(p), (c, via, s) =>
                    c.sendRegisterNode(via, s, { value: 0n, code: this.world.node.code, listing }),
                ),
        );
    }

    /** Lets time pass, and pays rent for accounts that cannot. */
    async wait(seconds: number): Promise<void> {
        this.model.now += seconds;
        this.world.blockchain.now = this.model.now;
        if (seconds < 86_400) {
            return;
        }
        const nodes = this.model.providers.flatMap(({ nodes: all }) => all.filter(({ state }) => state !== 'cleared'));
        const cases = this.model.providers.flatMap((p) =>
            [...p.cases.values()].filter(({ state }) => state === 'open'),
        );
        for (const { account, min } of [
            ...nodes.map((node) => ({ account: node.account, min: RENT })),
            ...cases.map((found) => ({ account: found.account, min: found.bond + RENT })),
        ]) {
            if ((await this.world.balanceOf(account)) < min) {
                const rent = { to: addressOf(account), body: Cell.EMPTY };
                await this.world.send(this.world.stranger, rent, { value: RENT });
            }
        }
    }

    /** Takes one step in the model and on chain, and compares what came of it. */
    async both(
        kind: string,
        p: ModelProvider,
        tell: () => Payment[] | void,
        send: () => Promise<Ran>,
        about: About = {},
    ): Promise<boolean> {
        const before = there(p);
        let paid: Payment[] = [];
        let refused: { by: string; code: string } | undefined;
        try {
            paid = tell() ?? [];
        } catch (error) {
            if (!(error instanceof Refusal)) {
                throw error;
            }
            refused = { by: error.by, code: error.code };
        }
        const end = `${kind} ${refused?.code ?? 'done'}`;
        this.outcomes.set(end, (this.outcomes.get(end) ?? 0) + 1);

        const ran = await send();

        const name = ran.refused && { by: ran.refused.by, code: errorName(ran.refused.code).replace(/ .*/, '') };
        deepStrictEqual(name, refused, 'who refused it with which code');
        deepStrictEqual(
            sorted(this.withoutCosts(p, this.withoutReserves(p, ran))),
            sorted(paid),
            'who was paid how much',
        );
        this.checkBalances(p, ran, there(p) - before, about);
        await this.compare(p, ran.touched);
        return refused === undefined;
    }

    /** The payments, but those of cleared nodes, whose owner gets all that the rent has left. */
    private withoutReserves(p: ModelProvider, { paid, moved }: Ran): Payment[] {
        return paid.filter(({ from, to, value }) => {
            const held = moved.get(from)!;
            const isNode = p.nodes.some(({ account }) => account === from);
            return !(isNode && to === p.owner && held.after === 0n && value === held.before - held.rent);
        });
    }

    /**
     * What answers and statements cost goes out of the reporter's bond, and is counted as his; how much, prices say.
     */
    private withoutCosts(p: ModelProvider, paid: Payment[]): Payment[] {
        const cases = new Map([...p.cases.values()].map((each) => [each.account, each]));
        const isCost = ({ from, to, value }: Payment) => {
            const found = cases.get(from);
            const due = found?.class === 'A3' ? found.payout : found?.stated ? p.owner : undefined;
            return to === due && value < found!.bond;
        };
        const costs = paid.filter(isCost);
        return paid
            .filter((each) => !isCost(each))
            .map((each) => {
                const cost = costs.find(({ from }) => from === each.from);
                return cost === undefined ? each : { ...each, value: each.value + cost.value };
            });
    }

    /**
     * What a Provider holds: as before, less rent and what it paid. What is missing in the reserve was topped up, by a
     * fault only in part.
     */
    private checkBalances(p: ModelProvider, ran: Ran, change: bigint, about: About): void {
        const moved = ran.moved.get(p.account);
        if (moved !== undefined && ran.refused?.by !== p.account) {
            const ledger = there(p) + this.reserve;
            const kept = moved.before - moved.rent + change;
            const full = about.surplus === true || kept < ledger ? ledger : kept;
            if (about.fault === true) {
                ok(kept <= moved.after && moved.after <= full, 'balance of the provider after a fault');
            } else {
                strictEqual(moved.after, full, 'balance of the provider');
            }
        }
        for (const node of p.nodes) {
            const held = ran.moved.get(node.account);
            if (held !== undefined && node.state !== 'cleared' && held.before > 0n) {
                strictEqual(held.after, held.before - held.rent, 'balance of the node');
            }
        }
    }

    /** Every account of this provider that was touched is what the model says, and its money adds up. */
    async compare(p: ModelProvider, touched?: Set<string>): Promise<void> {
        deepStrictEqual(
            providerOf((await this.world.dataOf(p.account))!),
            expectedProvider(p),
            'state of the provider',
        );
        strictEqual(p.in - p.out, there(p), 'all that came in is there, went home or was slashed');
        for (const node of p.nodes) {
            if (touched === undefined || touched.has(node.account)) {
                const data = await this.world.dataOf(node.account);
                strictEqual(data === undefined, node.state === 'cleared', 'the node is there');
                deepStrictEqual(data && nodeOf(data), data && expectedNode(node), 'state of the node');
            }
            for (const [key, cost] of node.cost) {
                ok(cost <= node.most, `${key} cost ${cost} of a share of ${node.most}`);
            }
        }
        for (const found of p.cases.values()) {
            if (touched === undefined || touched.has(found.account)) {
                const data = await this.world.dataOf(found.account);
                deepStrictEqual(data && disputeOf(data), expectedCase(found), 'state of the case');
                const promised = found.state === 'open' && this.model.now <= found.decideFrom ? found.bond : 0n;
                ok((await this.world.balanceOf(found.account)) >= promised, 'the bond is there until the deadline');
            }
        }
    }
}

function expectedProvider(p: ModelProvider) {
    const open = p.nodes.filter(({ state }) => state === 'open');
    const { stake, shares, slots, frozen, strikes, strikeAt, jailedUntil, largest, slashable } = p;
    const gpus = open.reduce((sum, node) => sum + node.gpus, 0);
    const cases = [...p.cases.values()].filter(({ state }) => state === 'open').length;
    return {
        stake,
        unbonding: there(p) - stake,
        shares,
        nodes: openNodes(p),
        gpus,
        nextNumber: p.nodes.length,
        rulesVersion: p.rules.version,
        slots: [...slots],
        frozen,
        cases,
        strikes,
        strikeAt,
        jailedUntil,
        counted: { shares, nodes: open.length, gpus, largest, slashable, frozen, cases },
    };
}

function expectedNode(node: ModelNode) {
    const { share, gpus, clearAt, evidence, taken, asked, frozen, pastShare, pastUntil, last, forgotten } = node;
    return {
        state: node.state === 'open' ? 1 : 2,
        share,
        gpus,
        clearAt,
        key: node.key === undefined ? 0n : keyNumber(node.key),
        ended: node.ended.map((ended) => ended && { ...ended, key: keyNumber(ended.key) }),
        evidence,
        taken,
        asked,
        frozen,
        pastShare,
        pastUntil,
        last,
        forgotten,
    };
}

function expectedCase(found: ModelCase) {
    const { answerBy, decideFrom, clearAt, stated } = found;
    const open = found.state === 'open';
    const dates =
        found.class === 'A1' || found.class === 'A2' ? { answerBy: 0, decideFrom: 0 } : { answerBy, decideFrom };
    return { state: open ? 1 : 2, ...dates, clearAt, bond: open ? found.bond : 0n, stated };
}

function sorted(payments: Payment[]): Payment[] {
    const key = ({ from, to, value }: Payment) => `${from} ${to} ${value}`;
    return [...payments].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
