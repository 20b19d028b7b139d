/** What owners, operators and the governor do with stake, nodes and rules. */
import {
    Account,
    Body,
    Change,
    DAY,
    HOUR,
    Key,
    newNode,
    Node,
    Provider,
    requiredStake,
    RulesChange,
} from '../../model';
import { CODES, committeeOf, GOVERNOR, INSURANCES, OPERATORS, OWNERS, PAYOUTS, ruleSet, STRANGER } from '../launch';
import { anyone, put, Scene, Take } from '../scene';

const TON = 1_000_000_000n;
const MAX_NODES = 5; // of one Provider

interface Member {
    account: Account;
    owner: Account;
    provider: Provider;
    index: number;
}

export function memberOf({ session, dice }: Scene): Member | undefined {
    const index = dice.below(OWNERS.length);
    const account = session.accounts.providers[index];
    const provider = session.get('provider', account);
    return provider && { account, owner: OWNERS[index], provider, index };
}

/** Nodes of a Provider that have an account. */
export const nodesOf = (session: Scene['session'], provider: Account): [Account, Node][] =>
    session.all('node').filter(([, node]) => node.provider === provider);

/** A message of the owner to its Provider. */
const owned =
    (bodyOf: (scene: Scene, member: Member) => Body | undefined, value?: (scene: Scene, body: Body) => bigint): Take =>
    (scene) => {
        const member = memberOf(scene);
        const body = member && bodyOf(scene, member);
        if (body !== undefined) {
            const from = scene.dice.once(12) ? OPERATORS[member!.index] : member!.owner;
            put(scene, { from, to: member!.account, value: value?.(scene, body) ?? scene.session.plenty, body });
        }
    };

export const addStake: Take = (scene) => {
    const { dice, session } = scene;
    const member = memberOf(scene);
    if (member !== undefined) {
        const amount = dice.of([0n, 1n, TON, 17n * TON, 200n * TON]);
        const body: Body = { op: 'addStake', amount };
        put(scene, { from: anyone(scene), to: member.account, value: amount + session.plenty, body });
    }
};

export const unbond = owned(({ dice }, { provider }) => {
    const spare = provider.stake - requiredStake(provider);
    const amount = dice.of([0n, 1n, 5n * TON, spare, spare / 2n, spare + 1n]);
    return { op: 'unbond', amount: amount < 0n ? 1n : amount };
});

export const cancelUnbonding = owned(({ dice }) => ({ op: 'cancelUnbonding', slot: dice.below(5) }));

export const withdrawStake = owned(({ dice }, { provider }) => {
    const slot = dice.below(4);
    const amount = provider.slots[slot]?.amount ?? 1n;
    return { op: 'withdrawStake', slot, amount: dice.of([0n, 0n, amount, amount / 2n, amount + 1n]) };
});

export const withdrawSurplus = owned(() => ({ op: 'withdrawSurplus' }));
export const unjail = owned(() => ({ op: 'unjail' }));
export const adopt = owned(({ dice }) => ({ op: 'adopt', rules: dice.once(8) ? 'others' : '' }));

export const setOperator = owned(({ dice }, { index }) => {
    const operator = dice.of([OPERATORS[index], OPERATORS[index], undefined, `-1:${STRANGER}`]);
    return operator === undefined ? { op: 'setOperator' } : { op: 'setOperator', operator };
});

export const setPayout = owned(({ dice }) => ({ op: 'setPayout', payout: dice.of(PAYOUTS) }));

/** Join once more, which a Provider that has joined refuses. */
export const joinAgain = owned(
    ({ dice }) => ({ op: 'join', stake: dice.of([1n, 60n * TON]), codeVersion: 0, payout: PAYOUTS[0], rules: '' }),
    ({ session }) => 60n * TON + session.plenty,
);

export const registerNode: Take = (scene) => {
    const { session, dice, book } = scene;
    const member = memberOf(scene);
    if (member === undefined || member.provider.nextNumber >= MAX_NODES) {
        return;
    }
    const flaw = dice.once(6) ? dice.below(5) : -1;
    const listing = {
        gpuClass: flaw === 0 ? 7 : dice.below(3),
        gpus: 1 + dice.below(4),
        receiptKey: flaw === 1 ? 'weak4' : book.freshKey(),
        encryptionKey: flaw === 2 ? 'weak0' : 'encryption',
        ...(flaw === 3
            ? { wrong: dice.of(['ErrWrongService', 'ErrWrongOffers', 'ErrWrongAttestation'] as const) }
            : {}),
    };
    const value = dice.of([session.plenty, session.state.prices.registerNode + session.state.prices.providerReserve]);
    const body: Body = { op: 'registerNode', code: 0, listing, node: '' };
    put(scene, { from: member.owner, to: member.account, value, body });
};

/** A message about one node, mostly one that exists. */
const aboutNode =
    (bodyOf: (scene: Scene, node: Node, about: { number: number; codeVersion: number; node: Account }) => Body): Take =>
    async (scene) => {
        const { session, dice } = scene;
        const member = memberOf(scene);
        const all = member === undefined ? [] : nodesOf(session, member.account);
        if (member === undefined || all.length === 0) {
            return;
        }
        const [account, found] = dice.of(all);
        const other = dice.once(15);
        const number = other ? 77 : found.number;
        const node = other ? await session.accounts.node(member.account, number) : account;
        const about = { number, codeVersion: dice.once(20) ? 1 : 0, node };
        const from = dice.of([member.owner, member.owner, member.owner, OPERATORS[member.index]]);
        put(scene, { from, to: member.account, value: session.plenty, body: bodyOf(scene, found, about) });
    };

export const changeNode = aboutNode(({ dice }, _, about) => {
    const wrong = dice.once(3);
    const change = dice.of<Change>([
        { kind: 'offers', wrong },
        { kind: 'service', wrong },
        { kind: 'attestation', wrong },
        { kind: 'other' },
    ]);
    return { op: 'changeNode', ...about, change };
});

/** The receipt keys that a node knows, the current one first. */
export const keysOf = ({ receiptKey, ended }: Node): Key[] =>
    [receiptKey, ...ended.map((slot) => slot?.key)].filter((key) => key !== undefined);

export const setKeys = aboutNode(({ session, dice, book }, node, about) => {
    const fresh = book.freshKey();
    const had = [...new Set([...(book.hadKeys.get(about.node) ?? []), ...keysOf(node)])];
    book.hadKeys.set(about.node, had);
    const receiptKey = dice.of([fresh, fresh, fresh, dice.of([fresh, ...had]), ...keysOf(node), 'weak5']);
    const later = dice.of([0, 120, 121, HOUR, DAY, 10 * DAY, 90 * DAY, -1, 90 * DAY + 1]);
    const encryptionKey = dice.once(20) ? 'weak0' : dice.of(['encryption', 'another encryption']);
    const change: Change = { kind: 'keys', receiptKey, encryptionKey, oldEndsAt: session.now + later };
    return { op: 'changeNode', ...about, change };
});

export const endKey = aboutNode(({ dice }, node, about) => {
    const receiptKey = dice.of([...keysOf(node), 'nobody']);
    return { op: 'changeNode', ...about, change: { kind: 'endKey', receiptKey } };
});

export const replaceHardware = aboutNode(({ dice }, { share, gpus }, about) => {
    const misstated = dice.once(8) ? dice.of([TON, -1n]) : 0n;
    const claimed = share + misstated < 0n ? 0n : share + misstated;
    return {
        op: 'replaceHardware',
        ...about,
        share: claimed,
        gpus: dice.once(12) ? gpus + 1 : gpus,
        gpuClass: dice.once(12) ? 7 : dice.below(3),
        newGpus: 1 + dice.below(4),
    };
});

export const closeNode = aboutNode((_, __, about) => ({ op: 'closeNode', ...about }));

export const clearNode: Take = (scene) => {
    const { session, dice } = scene;
    const all = session.all('node');
    if (all.length > 0) {
        const [to] = dice.of(all);
        put(scene, { from: STRANGER, to, value: session.plenty, body: { op: 'clearNode' } });
    }
};

/** Anyone gives money to a Provider, a node or a case. */
export const give: Take = (scene) => {
    const { session, dice } = scene;
    const all = [...session.all('provider'), ...session.all('node'), ...session.all('dispute')];
    if (all.length > 0) {
        const [to] = dice.of<[Account, unknown]>(all);
        put(scene, { from: anyone(scene), to, value: dice.of([1n, TON / 2n]), body: { op: 'none' } });
    }
};

/** A stranger deploys the account of the next node before its Provider does. */
export const deployNodeEarly: Take = async (scene) => {
    const { session } = scene;
    const member = memberOf(scene);
    if (member !== undefined) {
        const number = member.provider.nextNumber;
        const to = await session.accounts.node(member.account, number);
        if (!session.state.contracts.has(to)) {
            const init = newNode(member.account, number);
            session.send({ from: STRANGER, to, value: TON / 20n, bounce: false, body: { op: 'none' }, init });
        }
    }
};

/** Rules that a governor might choose, and some that it may not. */
export const propose: Take = (scene) => {
    const { session, dice } = scene;
    const { codes } = session.get('registry', session.accounts.registry)!;
    const shorter: RulesChange = {
        kind: 'rules',
        set: ruleSet({ evidence: 24 * HOUR, response: 6 * HOUR, verdict: 12 * HOUR, unbonding: 120 * HOUR }),
    };
    const change = dice.of<RulesChange>([
        { kind: 'rules', set: ruleSet({ evidence: 240 * HOUR, unbonding: 400 * HOUR }) },
        shorter,
        shorter,
        shorter,
        { kind: 'rules', set: ruleSet({ baseStake: 80n * TON, rates: [20n * TON, 40n * TON, 18n * TON, 30n * TON] }) },
        { kind: 'rules', set: ruleSet({ baseStake: 10n * TON, insurance: INSURANCES[1] }) },
        { kind: 'rules', set: ruleSet({ insurance: `-1:${STRANGER}` }) },
        { kind: 'rules', set: ruleSet({ evidence: HOUR - 1 }) },
        { kind: 'rules', set: ruleSet({ baseStake: 0n }) },
        { kind: 'committee', committee: committeeOf(5, 4) },
        { kind: 'committee', committee: committeeOf(3, 2) },
        { kind: 'committee', committee: committeeOf(5, 3) },
        ...(codes.dispute < CODES ? [{ kind: 'code', of: 'dispute', number: codes.dispute } as const] : []),
        { kind: 'other' },
    ]);
    put(scene, {
        from: governor(scene),
        to: session.accounts.registry,
        value: session.plenty,
        body: { op: 'proposeChange', change },
    });
};

const toRegistry =
    (bodyOf: (scene: Scene) => Body, by: (scene: Scene) => Account): Take =>
    (scene) =>
        put(scene, {
            from: by(scene),
            to: scene.session.accounts.registry,
            value: scene.session.plenty,
            body: bodyOf(scene),
        });

function governor({ session, dice }: Scene): Account {
    return dice.once(8) ? STRANGER : session.get('registry', session.accounts.registry)!.governor;
}

const sendExecute = toRegistry(() => ({ op: 'executeChange' }), anyone);

/** Executes the waiting change, mostly when its time has come. */
export const execute: Take = async (scene) => {
    const { session, dice } = scene;
    const { pending } = session.get('registry', session.accounts.registry)!;
    if (pending !== undefined && pending.executeAt > session.now && !dice.once(3)) {
        await session.drain();
        session.pass(pending.executeAt - session.now - (dice.once(6) ? 1 : 0));
    }
    await sendExecute(scene);
};
/** The governor names a successor, or one that was named takes over. */
export const handOver: Take = (scene) => {
    const { session, dice } = scene;
    const to = session.accounts.registry;
    const { nextGovernor } = session.get('registry', to)!;
    const [body, from]: [Body, Account] =
        nextGovernor === undefined || dice.once(4)
            ? [{ op: 'proposeGovernor', governor: dice.of([GOVERNOR, ...OWNERS]) }, governor(scene)]
            : [{ op: 'acceptGovernor' }, dice.once(4) ? STRANGER : nextGovernor];
    put(scene, { from, to, value: session.plenty, body });
};

export const cancel = toRegistry(() => ({ op: 'cancelChange' }), governor);
export const pause = toRegistry(({ dice }) => ({ op: 'setPaused', paused: dice.once(2) }), governor);
export const catalogue = toRegistry(() => ({ op: 'setCatalogue' }), governor);
export const announce = toRegistry(
    ({ session, dice }) => ({ op: 'announceDemand', endsAt: session.now + dice.of([DAY, 0, -1]) }),
    anyone,
);
export const askRules = toRegistry(
    () => ({ op: 'askRules', rules: '' }),
    () => STRANGER,
);
