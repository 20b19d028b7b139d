import { maxStoredBytes, isNoEnding, undeliveredObjection } from '../../../offchain/payer/stored';
import { Ledger } from '../../../offchain/payer/ledger';
import { WorkerRefusal } from '../../../offchain/payer/workerErrors';

describe('A stored answer', () => {
    it('may have as many bytes as the terms allow of an answer, and a megabyte of receipts', () => {
        expect(maxStoredBytes({ maxAnswer: 5000 })).toBe(5000 + 1_048_576);
    });

    it.each(['running', 'paused', 'shutting_down', 'unknown'] as const)(
        'is asked for again after the refusal %s',
        (code) => {
            expect(isNoEnding(new WorkerRefusal(code, 409, ''))).toBe(true);
        },
    );

    it('is asked for again after an error of the server, and not after another refusal', () => {
        const said = (status: number) => isNoEnding(new WorkerRefusal('used_number', status, ''));

        expect([500, 503].map(said)).toEqual([true, true]);
        expect([404, 499].map(said)).toEqual([false, false]);
    });
});

describe('The result of a query whose connection ended', () => {
    const STEP = 100n;
    const ledger = new Ledger();
    ledger.raiseMeter(1, 30n); // of a query that runs
    ledger.raiseMeter(2, 40n); // of the query that ended

    it('rules 5 and 14: may bill a step for each query that ran, and not one nanoTON more', () => {
        const objection = (price: bigint, concurrent: number) =>
            undeliveredObjection(ledger, { number: 2, price }, { step: STEP, concurrent });

        expect(objection(70n, 1)).toBeUndefined();
        expect(objection(71n, 1)).toBe(
            'it bills 71 nanoTON for an answer that was not delivered, more than a step ahead of what is paid',
        );
        expect(objection(270n, 3)).toBeUndefined();
        expect(objection(271n, 3)).toContain('it bills 271 nanoTON');
    });
});
