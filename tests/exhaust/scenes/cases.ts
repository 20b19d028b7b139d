/**
 * One Provider whose node promised an answer that it did not give, and signed two results that exclude each other; a
 * reporter, a committee, a forger, and an owner who wants its stake back first.
 */
import { Account, Body, signed, State, verdictText } from '../../model';
import { Move, Places, Scene, waits } from '../moves';
import { nobodyGains } from './clients';
import { Operation, receiptsAreCovered, slashesAreShared, stakeIsKept } from './providers';

const DAY = 86_400;

export function casesScene(at: Places): Scene {
    const operation = new Operation(at);
    const receipts = [at.start, operation.deadline].flatMap((date) => [date + at.rules.evidence]);
    const deadlines = (state: State) => [...operation.deadlines(state), operation.deadline + 1, ...receipts];
    return {
        name: 'cases',
        opening: operation.opening,
        deadlines,
        moves: [...reports(operation), ...answers(operation), ...flight(operation), ...waits(deadlines)],
        homebound: [operation.ownerHomebound, operation.reporterHomebound],
        check(step, book) {
            nobodyGains(step, at.stranger, at.governor);
            stakeIsKept(operation, step);
            slashesAreShared(operation, step);
            receiptsAreCovered(operation, step);
            return book;
        },
    };
}

/** The class and the query of each case. */
export const ABOUT = { twice: ['A1', 0], demand: ['A3', 1], wrong: ['B1', 2] } as const;

function caseOf({ at, job }: Operation, kind: keyof typeof ABOUT): Account {
    const [faultClass, query] = ABOUT[kind];
    return at.disputeOf(faultClass, job, query);
}

function reports(operation: Operation): Move[] {
    const { at, channel, terms, accept } = operation;
    const node = () => at.nodeOf(0);
    const rest = { channel, terms, code: 0 };
    const twice = (first: number, second: number, key?: string): Body => ({
        op: 'reportTwice',
        ...rest,
        first: operation.result(1, first),
        second: operation.result(2, second, key),
        dispute: caseOf(operation, 'twice'),
    });
    const demand: Body = {
        op: 'demandAnswer',
        ...rest,
        accept,
        firstPiece: 0,
        dispute: caseOf(operation, 'demand'),
    };
    const wrong: Body = {
        op: 'reportWrong',
        ...rest,
        result: operation.result(1, 1),
        dispute: caseOf(operation, 'wrong'),
    };
    return [
        operation.says('reporter', 'shows two results of one number', node, twice(1, 2)),
        operation.says('reporter', 'shows two that are worth more', node, twice(1, 30)),
        operation.says('stranger', 'shows a forged result', node, twice(1, 2, 'forger')),
        operation.says('reporter', 'demands the answer', node, demand),
        operation.says('reporter', 'demands it with too little', node, demand, at.plenty / 1000n),
        operation.says('reporter', 'shows a wrong answer', node, wrong),
    ];
}

function answers(operation: Operation): Move[] {
    const { at } = operation;
    const open = (kind: keyof typeof ABOUT) => (state: State) =>
        state.contracts.has(caseOf(operation, kind)) ? caseOf(operation, kind) : undefined;
    const verdict = (points: number, key?: string) => (state: State) => {
        const dispute = caseOf(operation, 'wrong');
        const found = state.contracts.get(dispute);
        const rules = found?.kind === 'dispute' ? found.rules : undefined;
        if (rules === undefined) {
            return undefined;
        }
        const validUntil = state.now + DAY;
        const text = verdictText(at.network, dispute, points, rules.version, validUntil);
        const { keys, threshold } = rules.committee;
        const votes = keys
            .slice(0, threshold)
            .map((own, member) => ({ member, signature: signed(key ?? own, ...text) }));
        return { op: 'submitVerdict', points, rulesVersion: rules.version, validUntil, votes } as const;
    };
    const failOf = (key?: string): Body => ({ op: 'postFail', fail: operation.fail(key) });
    return [
        operation.says('owner', 'answers the demand', open('demand'), failOf()),
        operation.says('stranger', 'answers the demand, forged', open('demand'), failOf('forger')),
        operation.says('owner', 'states its case', open('wrong'), { op: 'stateCase' }),
        operation.says('committee', 'finds the answer wrong', open('wrong'), verdict(500)),
        operation.says('committee', 'finds nothing wrong', open('wrong'), verdict(0)),
        operation.says('stranger', 'forges a verdict', open('wrong'), verdict(500, 'forger')),
        operation.decide('reporter', 0),
        operation.decide('stranger', 1),
        operation.says('reporter', 'clears the case of the demand', open('demand'), { op: 'clearCase' }),
        operation.says('reporter', 'clears the case of two results', open('twice'), { op: 'clearCase' }),
    ];
}

function flight(operation: Operation): Move[] {
    return [
        operation.closeNode('owner'),
        operation.clearNode('owner'),
        operation.unbondRest(),
        operation.withdrawStake('owner', 0),
        operation.replaceHardware('owner', 1),
        operation.changeNode('owner', 'ends the key', { kind: 'endKey', receiptKey: 'first' }),
    ];
}
