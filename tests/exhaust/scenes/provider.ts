/** One Provider with one node that signed nothing wrong, its owner, the governor of its Registry, and a stranger. */
import { Account, Body, Node, State } from '../../model';
import type { OpcodeName } from '@cocoon-market/wrappers';
import { nobodyGains } from './clients';
import { Operation, receiptsAreCovered, slashesAreShared, stakeIsKept } from './providers';
import { Move, Places, Scene, sends, waits } from '../moves';

const HOUR = 3600;

export function providerScene(at: Places): Scene {
    const operation = new Operation(at);
    const deadlines = (state: State) => [...operation.deadlines(state), operation.deadline];
    return {
        name: 'provider',
        opening: operation.opening,
        deadlines,
        moves: [...ownMoves(operation), ...foreignMoves(operation), ...waits(deadlines)],
        homebound: [operation.ownerHomebound],
        check(step, book) {
            nobodyGains(step, at.stranger, at.governor, at.reporter);
            stakeIsKept(operation, step);
            slashesAreShared(operation, step);
            receiptsAreCovered(operation, step);
            if (isSlashed(operation.node(step.after))) {
                throw new Error('A node that signed nothing wrong was slashed');
            }
            return book;
        },
    };
}

const isSlashed = (node: Node | undefined): boolean =>
    node !== undefined && [node.current, ...node.ended].some((ledger) => (ledger?.slashed ?? 0n) > 0n);

function ownMoves(operation: Operation): Move[] {
    const { at } = operation;
    const key = (state: State) => ({
        kind: 'keys' as const,
        receiptKey: `key after ${operation.node(state)?.receiptKey ?? 'none'}`,
        encryptionKey: 'encryption',
        oldEndsAt: state.now,
    });
    return [
        operation.tells('owner', 'adds 50 to the stake', { op: 'addStake', amount: operation.amount(50) }),
        operation.tells('owner', 'unbonds 100', { op: 'unbond', amount: operation.amount(100) }),
        operation.tells('owner', 'unbonds 1,000', { op: 'unbond', amount: operation.amount(1000) }),
        operation.unbondRest(),
        operation.tells('owner', 'takes slot 0 back', { op: 'cancelUnbonding', slot: 0 }),
        operation.withdrawStake('owner', 0),
        operation.withdrawStake('owner', 0, 40),
        operation.tells('owner', 'withdraws the surplus', { op: 'withdrawSurplus' }),
        operation.registerNode('owner', 1),
        operation.closeNode('owner'),
        operation.clearNode('owner'),
        operation.replaceHardware('owner', 1),
        operation.replaceHardware('owner', 3),
        operation.changeNode('owner', 'changes the key', key),
        operation.changeNode('owner', 'ends the key', { kind: 'endKey', receiptKey: 'first' }),
        operation.tells('owner', 'adopts the rules', { op: 'adopt', rules: '' }),
        operation.propose('proposes shorter windows', { kind: 'rules', set: { ...at.rules, evidence: HOUR } }),
        operation.says('governor', 'executes its change', () => at.registry, { op: 'executeChange' }),
        operation.says('governor', 'pauses arrivals', () => at.registry, { op: 'setPaused', paused: true }),
    ];
}

function foreignMoves(operation: Operation): Move[] {
    const { at } = operation;
    return [
        operation.tells('stranger', 'unbonds 100', { op: 'unbond', amount: operation.amount(100) }),
        operation.withdrawStake('stranger', 0),
        operation.tells('stranger', 'withdraws the surplus', { op: 'withdrawSurplus' }),
        operation.closeNode('stranger'),
        operation.registerNode('stranger', 1),
        operation.tells('stranger', 'adds 10 to the stake', { op: 'addStake', amount: operation.amount(10) }),
        operation.tells('stranger', 'gives 5', { op: 'none' }, operation.amount(5)),
        operation.clearNode('stranger'),
        operation.tells('stranger', 'adopts the rules', { op: 'adopt', rules: '' }),
        operation.propose('proposes its own insurance', {
            kind: 'rules',
            set: { ...at.rules, insurance: at.stranger },
        }),
        ...forgeries(operation),
    ];
}

/** What only contracts send, from a stranger. */
function forgeries({ at }: Operation): Move[] {
    const all: [OpcodeName, Account, Body][] = [
        ['RulesGiven', at.provider, { op: 'rulesGiven', rules: { ...at.rules, version: 99 } }],
        [
            'ShareFreed',
            at.provider,
            {
                op: 'shareFreed',
                share: at.unit,
                gpus: 1,
                number: 0,
                codeVersion: 0,
                closed: true,
                content: false,
                excessTo: at.stranger,
            },
        ],
        ['StopNode', at.nodeOf(0), { op: 'stopNode', byOwner: true, evidence: 0, hold: 0, excessTo: at.stranger }],
        [
            'ReleaseShare',
            at.nodeOf(0),
            { op: 'releaseShare', codeVersion: 0, amount: at.unit, keySerial: 1, excessTo: at.stranger },
        ],
    ];
    return all.map(([name, to, body]) =>
        sends('stranger', `forges ${name}`, () => ({ from: at.stranger, to, value: at.plenty, body }), name),
    );
}
