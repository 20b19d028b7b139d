/** What the processes of all gateways and workers need: cores, commits, fsyncs, databases. */
import { DAY, type Model, nodesOf, priceOf } from './model';

export interface Machines {
    queries: number; // a second
    cores: number; // of gateways and workers together
    gatewayWrites: number; // commits a second of one gateway
    gatewayFsyncs: number; // a second
    workerWrites: number; // of one worker
    workerFsyncs: number;
    writes: number; // of all
    fsyncs: number;
    clusterWrites: number; // of all gateways, if they share a database
    databases: number; // PostgreSQL databases that these need
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
    return {
        queries,
        cores: (queries * machine.cpuMs) / 1000,
        gatewayWrites,
        gatewayFsyncs,
        workerWrites,
        workerFsyncs,
        writes: clusterWrites + workerWrites * nodesOf(model),
        fsyncs: gatewayFsyncs * market.gateways + workerFsyncs * nodesOf(model),
        clusterWrites,
        databases: Math.ceil(clusterWrites / machine.databaseWrites),
    };
}

/** Writes that arrive during an fsync share the next one: a group has the write that began it and those. */
export const fsyncs = (writes: number, commitSeconds: number): number => writes / (1 + writes * commitSeconds);

/**
 * Seconds until a new client of a node may run so many queries at once. Rule 5 lets it run one, and one more for each
 * step that its vouchers have promised, so its queries grow by a constant part a second.
 */
export function rampSeconds({ query, job }: Model, running: number): number {
    const perSecond = priceOf(query) / query.seconds / job.step;
    return Math.log(running) / perSecond;
}
