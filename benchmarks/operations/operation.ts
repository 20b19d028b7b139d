/** What a row of the benchmark is made of. */
import { Floor } from '../floors';
import { Ran } from '../meter';

/**
 * `prepare` brings a stage to where the operation begins; what it returns is measured. `floor`: what its contracts cannot
 * do without, one after the other.
 */
export interface Operation<Stage> {
    title: string;
    floor: Floor[];
    prepare: (stage: Stage) => Promise<() => Promise<Ran>>;
}

/** Operations by their name in the history. */
export type Operations<Stage> = Record<string, Operation<Stage>>;
