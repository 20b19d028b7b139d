/** The CPU time of the simulated query, from the newest entry of benchmarks/offchain.json. */
import { type OffchainEntry, readOffchain } from '../offchain/history';
import { offchainTargets } from '../offchain/targets';

export interface QueryCpu {
    date: string; // of the entry
    tokens: number; // of the answer that was measured; the time is in proportion to them
    ms: number; // of gateway and worker together, for the simulated query
    gatewayMs?: number; // of the gateway alone; entries without the query of this page lack it
    plainTimes: number; // what a stream of 50 tokens takes, as a multiple of what two plain proxies take
    maxPlainTimes: number; // the number to reach
}

const SHORT_STREAM = 50; // tokens of the streams of which each entry has the CPU time

/** An entry's time for an answer of so many tokens. */
export function cpuOf({ date, ratios, measured }: OffchainEntry, tokens: number): QueryCpu {
    const query = measured?.query ?? { tokens: SHORT_STREAM, cpuMs: ratios.cpuMsAt32 };
    const scaled = (ms: number) => Number(((ms * tokens) / query.tokens).toFixed(2));
    const gateway = measured?.query.cpuMsBy.gateway;
    const { must } = offchainTargets.find(({ ratio }) => ratio === 'cpuOverPlainAt32')!;
    if (query.cpuMs === undefined || ratios.cpuOverPlainAt32 === undefined) {
        throw new Error(`The entry of ${date} in benchmarks/offchain.json has no CPU time of 32 streams at once`);
    }
    return {
        ...{ date, tokens: query.tokens, ms: scaled(query.cpuMs) },
        ...(gateway === undefined ? {} : { gatewayMs: scaled(gateway) }),
        ...{ plainTimes: ratios.cpuOverPlainAt32, maxPlainTimes: must },
    };
}

export const newestCpu = (tokens: number): QueryCpu => cpuOf(readOffchain().at(-1)!, tokens);
