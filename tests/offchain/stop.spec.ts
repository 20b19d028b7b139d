import { serveUntil } from '../../offchain/cli/stop';

const never = () => new Promise<never>(() => undefined);
const lost = () => Promise.reject(new Error('The lease is lost'));

describe('A process that is asked to stop', () => {
    it('has closed when its serving is over', async () => {
        const done: string[] = [];
        const close = async (cause: string) => void done.push(cause);
        await serveUntil(Promise.resolve('SIGTERM'), { failed: never(), close }, () => done.push('before'));
        expect(done).toEqual(['before', 'SIGTERM']);
    });

    it('fails when it loses its store before', async () => {
        await expect(serveUntil(never(), { failed: lost(), close: never })).rejects.toThrow('The lease is lost');
    });

    it('fails when it loses its store while it closes, although the close waits for that store', async () => {
        let lose!: (error: Error) => void;
        const failed = new Promise<never>((_resolve, reject) => (lose = reject));
        const close = () => {
            lose(new Error('The lease is lost'));
            return never();
        };
        await expect(serveUntil(Promise.resolve('SIGTERM'), { failed, close })).rejects.toThrow('The lease is lost');
    });
});
