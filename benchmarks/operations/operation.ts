/** What a row of the benchmark is made of. */
import { Ran } from '../meter';

/** `prepare` brings a stage to where the operation begins; what it returns is measured. */
export interface Operation<Stage> {
    title: string;
    prepare: (stage: Stage) => Promise<() => Promise<Ran>>;
}

/** Operations by their name in the history. */
export type Operations<Stage> = Record<string, Operation<Stage>>;
