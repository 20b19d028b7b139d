/** What is killed in which round: it follows from the seed, so that a run can be repeated. */
import { LEASE_SECONDS } from '../../offchain/store/leases';
import { type Random, shuffled } from '../soak/plan';

/** One process that is killed, or stopped for a while as by a frozen machine. */
export interface Blow {
    victim: string;
    kind: 'kill' | 'pause';
    atMs: number; // after the blow before it, or the start of the round
    downMs: number; // until it is started again, or goes on
}

/** A round has one blow, or two close together. */
export type Round = readonly Blow[];

const MAX_WAIT_MS = 1500; // before a blow, so that it meets any moment of a query
const SHORT_MS = 1500; // of downtime: its lease has not ended when it is back
const LONG_MS = LEASE_SECONDS * 1000 + 500; // its lease has ended, and another process has its jobs
const MAX_LONGER_MS = 2500;
const LONG = 0.22; // of kills, except of the database
const PAUSES = 0.08; // of rounds
const DOUBLE = 0.15; // of rounds

/** The rounds of a run. Every victim comes once in as many rounds as there are victims, in random order. */
export function roundsOf(random: Random, count: number, victims: { processes: string[]; database: string }): Round[] {
    const all = [...victims.processes, victims.database];
    let deck: string[] = [];
    const next = () => {
        deck = deck.length > 0 ? deck : shuffled(random, all);
        return deck.pop()!;
    };
    return Array.from({ length: count }, () => {
        const victim = next();
        const isPaused = random() < PAUSES && victim !== victims.database;
        const isLong = isPaused || (random() < LONG && victim !== victims.database);
        const first: Blow = {
            victim,
            kind: isPaused ? 'pause' : 'kill',
            atMs: random() * MAX_WAIT_MS,
            downMs: isLong ? LONG_MS + random() * MAX_LONGER_MS : random() * SHORT_MS,
        };
        const others = all.filter((name) => name !== victim);
        const second: Blow = {
            victim: others[Math.floor(random() * others.length)],
            kind: 'kill',
            atMs: random() * MAX_WAIT_MS,
            downMs: random() * SHORT_MS,
        };
        return random() < DOUBLE ? [first, second] : [first];
    });
}
