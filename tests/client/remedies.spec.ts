/** What a client without a gateway is told when a worker refuses without a signature. */
import { workerError } from '../../client/activeJob';
import { WorkerRefusal } from '../../offchain/payer/workerErrors';

const told = (code: WorkerRefusal['code']) => workerError(new WorkerRefusal(code, 503, ''));

describe('A client whose worker refuses', () => {
    it('for want of storage keeps its job for text', () => {
        const remedy =
            'Nothing is owed: ask for text without log probabilities, ask later, or open a job at another node.';
        expect(told('no_storage')).toMatchObject({ code: 'worker_refused', remedy });
    });

    it('for good is told to end the job', () => {
        expect(told('wrong_terms')).toMatchObject({ remedy: expect.stringContaining('settle this job') as string });
    });
});
