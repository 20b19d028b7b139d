/** Ports of this machine. */
import { createServer } from 'node:net';

/** Rejects with the system's error, such as EADDRINUSE, unless this process can listen there. */
export function assertFreePort({ host, port }: { host: string; port: number }): Promise<void> {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.once('error', reject);
        server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
    });
}
