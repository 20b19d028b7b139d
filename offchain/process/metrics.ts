/** Metrics of a process for Prometheus, on a port of their own because they tell what is earned or spent. */
import { formatTon } from '@cocoon-market/wrappers';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Gauge, type GaugeConfiguration, Registry } from 'prom-client';
import { z } from 'zod';
import { createDoor, listenAt } from './doors';
import { reasonOf } from './errors';
import { whole } from './fields';
import { isLoopback, isLoopbackHeader } from './publicAddress';

/** Where metrics are served; absent in the settings: nowhere. */
export const metricsListen = z
    .strictObject({
        host: z.string().default('127.0.0.1').describe('address to listen at'),
        port: whole(0, 65535).describe('port; 0: any free one'),
    })
    .describe('Where Prometheus reads. Left out: nowhere.');

const TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Buckets of seconds for answers: a first token takes tens of milliseconds to minutes. */
export const ANSWER_SECONDS_BUCKETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300];

/** Buckets of seconds for a commit, which waits for the disk. */
export const COMMIT_SECONDS_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5];

/** TON as a number, for graphs only. */
export const tonNumber = (nano: bigint | string): number => Number(formatTon(BigInt(nano)));

/** Lets a label take so many values; all further ones become `other`, so that nobody can make series without end. */
export class BoundedLabel {
    private readonly values = new Set<string>();

    constructor(private readonly max: number) {}

    of(value: string): string {
        if (this.values.size < this.max) {
            this.values.add(value);
        }
        return this.values.has(value) ? value : 'other';
    }
}

/** A gauge that reads its values when it is scraped. One that cannot be read has none, instead of an old one. */
export function readGauge<Label extends string>(
    registry: Registry,
    {
        log,
        read,
        ...configuration
    }: Pick<GaugeConfiguration<Label>, 'name' | 'help' | 'labelNames'> & {
        log: Logger;
        read: () => Promise<readonly GaugeValue<Label>[]> | readonly GaugeValue<Label>[];
    },
): void {
    const gauge: Gauge<Label> = new Gauge<Label>({
        ...configuration,
        registers: [registry],
        async collect() {
            gauge.reset();
            if ((configuration.labelNames ?? []).length === 0) {
                gauge.remove(); // without labels it begins with 0
            }
            try {
                for (const { labels = {}, value } of await read()) {
                    gauge.set(labels as Record<Label, string>, value);
                }
            } catch (error) {
                log.debug({ metric: configuration.name, reason: reasonOf(error) }, 'a metric cannot be read');
            }
        },
    });
}

export interface GaugeValue<Label extends string> {
    labels?: Partial<Record<Label, string>>;
    value: number;
}

/** Serves a registry at /metrics, with what Node.js says of its process. */
export async function serveMetrics(
    registry: Registry,
    listen: z.output<typeof metricsListen>,
): Promise<{ url: string; close: () => Promise<void> }> {
    collectDefaultMetrics({ register: registry });
    const server = createDoor();
    if (isLoopback(listen.host)) {
        // A page whose own name was pointed at this machine (DNS rebinding) would read what is spent.
        server.addHook('onRequest', async ({ headers }, reply) => {
            if (!isLoopbackHeader(headers.host)) {
                return reply.code(403).send('Metrics answer to 127.0.0.1 and localhost only');
            }
            return undefined;
        });
    }
    server.get('/metrics', async (_, reply) => reply.type(TYPE).send(await registry.metrics()));
    const url = await listenAt(server, listen);
    return { url: `${url}/metrics`, close: () => server.close() };
}
