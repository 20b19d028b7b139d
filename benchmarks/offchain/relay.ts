/** A TCP relay that counts what passes: the bytes on the wire between gateway and worker. */
import { connect, createServer, type Server } from 'node:net';
import { once } from 'node:events';

export class Relay {
    bytes = 0; // in both directions
    private readonly server: Server;

    private constructor(port: number) {
        this.server = createServer((client) => {
            const upstream = connect(port, '127.0.0.1');
            for (const [from, to] of [
                [client, upstream],
                [upstream, client],
            ]) {
                from.on('data', (bytes) => (this.bytes += bytes.length));
                from.on('error', () => to.destroy());
                from.pipe(to);
            }
        });
    }

    /** Relays from a port to another of this machine. */
    static async open(from: number, to: number): Promise<Relay> {
        const relay = new Relay(to);
        relay.server.listen(from, '127.0.0.1');
        await once(relay.server, 'listening');
        return relay;
    }

    close(): void {
        this.server.close();
    }
}
