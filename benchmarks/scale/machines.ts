/** What the processes of all gateways and workers need: cores, commits, fsyncs. */
import { DAY, type Model, nodesOf, priceOf } from './model';

export interface Machines {
    queries: number; // a second
    cores: number; // of gateways and workers together
    gatewayCores?: number; // of one gateway; undefined if its share of the time was not measured
    coresToReach: number; // of all, if a stream took as many times a plain one's CPU as is to reach
    gatewayWrites: number; // commits a second of one gateway
    gatewayFsyncs: number; // a second
    workerWrites: number; // of one worker
    workerFsyncs: number;
    writes: number; // of all
    fsyncs: number;
    clusterWrites: number; // of all gateways
}

/** At so many times the mean traffic. */
export function machinesAt(model: Model, times: number): Machines {
    const { market, machine } = model;
    const queries = (market.queriesADay / DAY) * times;
    const gatewayWrites = (queries / market.gateways) * machine.gatewayWrites;
    const workerWrites = (queries / nodesOf(model)) * machine.workerWrites;
    const gatewayFsyncs = fsyncs(gatewayWrites, machine.commitSeconds);
    const workerFsyncs = fsyncs(workerWrites, machine.commitSeconds);
    const clusterWrites = gatewayWrites * market.gateways;
    const { ms, gatewayMs, plainTimes, maxPlainTimes } = machine.cpu;
    const cores = (queries * ms) / 1000;
    return {
        queries,
        cores,
        ...(gatewayMs === undefined ? {} : { gatewayCores: (queries / market.gateways) * (gatewayMs / 1000) }),
        coresToReach: cores * Math.min(1, maxPlainTimes / plainTimes),
        gatewayWrites,
        gatewayFsyncs,
        workerWrites,
        workerFsyncs,
        writes: clusterWrites + workerWrites * nodesOf(model),
        fsyncs: gatewayFsyncs * market.gateways + workerFsyncs * nodesOf(model),
        clusterWrites,
    };
}

/** Writes that arrive during an fsync share the next one: a group has the write that began it and those. */
export const fsyncs = (writes: number, commitSeconds: number): number => writes / (1 + writes * commitSeconds);

/**
 * Seconds until a new client of a node may run so many queries at once. Rule 5 lets it run one, and one more for each
 * step that its vouchers have promised. With k of them running, the next step takes as long as k of them need for it.
 */
export function rampSeconds({ query, job }: Model, running: number): number {
    const stepSeconds = (job.step * query.seconds) / priceOf(query); // of one query
    return Array.from({ length: running - 1 }, (_, i) => stepSeconds / (i + 1)).reduce((sum, part) => sum + part, 0);
}
