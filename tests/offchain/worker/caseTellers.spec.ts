/** Which endpoints have told of a case, and the order in which cases of one endpoint alone are looked after. */
import type { CaseRecord } from '../../../offchain/store/worker';
import { CaseTellers, keyOf } from '../../../offchain/worker/caseTellers';

const caseOf = (number: number): CaseRecord => ({
    ...{ dispute: Buffer.alloc(32, number), class: 'A3', job: Buffer.alloc(32), number },
    ...{ reportedAt: 0, standing: 'open', answerBy: 0 },
});
const key = (number: number) => keyOf(caseOf(number));
const numbersOf = (cases: CaseRecord[]) => cases.map(({ number }) => number);

describe('A case', () => {
    it('is sure once two endpoints have told of it', () => {
        const tellers = new CaseTellers(2);
        tellers.note(key(1), 0);
        tellers.note(key(1), 0);
        expect(tellers.isSure(key(1))).toBe(false);

        tellers.note(key(1), 1);
        expect(tellers.isSure(key(1))).toBe(true);
    });

    it('is sure where there is one endpoint only, which may tell of any number', () => {
        const tellers = new CaseTellers(1);
        const taken = Array.from({ length: 2000 }, (_, i) => tellers.note(`${i}`, 0));

        expect(taken).not.toContain(false);
        expect(tellers.isSure('none has told of it')).toBe(true);
    });
});

describe('An endpoint', () => {
    it('is believed a thousand open cases of which no other tells, whatever another tells', () => {
        const tellers = new CaseTellers(2);
        const taken = Array.from({ length: 1001 }, (_, i) => tellers.note(`${i}`, 0));

        expect(taken.indexOf(false)).toBe(1000);
        expect(tellers.note('of another', 1)).toBe(true);
        tellers.note('0', 1); // another tells of it too
        expect(tellers.note('1000', 0)).toBe(true);
        expect(tellers.note('1001', 0)).toBe(false);
        tellers.forget('1'); // it is closed
        expect(tellers.note('1001', 0)).toBe(true);
    });

    it('whose cases are looked after does so in turns with others, and those that had no look come first', () => {
        const tellers = new CaseTellers(2);
        [1, 2, 3].forEach((number) => tellers.note(key(number), 0));
        tellers.note(key(4), 1);
        const cases = [1, 2, 3, 4, 5].map(caseOf); // of the last one nobody has told since the start

        expect(numbersOf(tellers.inTurns(cases))).toEqual([1, 4, 5, 2, 3]);
        tellers.noteLook(key(1));
        tellers.noteLook(key(2));
        expect(numbersOf(tellers.inTurns(cases))).toEqual([3, 4, 5, 1, 2]);
    });
});
