import { randomBytes } from 'node:crypto';
import { Client } from '../../../offchain/worker/clients';

const STEP = 10n;

describe('The credit of a client', () => {
    it('counts its newest thousand jobs, and every job that owes', () => {
        const client = new Client(1);
        const debtor = randomBytes(32);
        client.noteJob(debtor, { promised: 0n, cumulative: 1001n * STEP });
        for (let job = 0; job < 1500; job++) {
            client.noteJob(randomBytes(32), { promised: STEP, cumulative: STEP });
        }

        expect(client.mayStart(STEP)).toBe(false); // a thousand steps are paid, and one is free
        client.noteJob(debtor, { promised: STEP, cumulative: 1001n * STEP });
        expect(client.mayStart(STEP)).toBe(true);
    });
});
