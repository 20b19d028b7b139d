/** Ports for processes that are told where to listen. */
import { createServer } from 'node:net';

// Below the range from which systems take ports of outgoing connections (on Linux from 32,768 on): such a port is taken
// again at any moment. The ports between are those that tests name themselves.
const [FIRST, LAST] = [10_000, 29_000];

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
    for (;;) {
        const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
        const server = createServer();
        const isFree = await new Promise<boolean>((resolve) => {
            server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
        });
        if (isFree) {
            await new Promise((resolve) => server.close(resolve));
            return port;
        }
    }
}
