/**
 * Whether the worker takes new jobs and queries: as its operator says, which stays so over a restart, and while nothing
 * keeps them out.
 */
import type { IntakeMode, WorkerStore } from '../store/worker';
import { Refused } from './refusal';

/** Says what keeps new work out now; undefined if it does not. */
export type Obstacle = () => string | undefined;

export class WorkerIntake {
    private readonly obstacles: Obstacle[] = [];

    private constructor(
        private readonly store: Pick<WorkerStore, 'intake' | 'setIntake'>,
        private current: IntakeMode,
    ) {}

    static async read(store: WorkerStore): Promise<WorkerIntake> {
        return new WorkerIntake(store, await store.intake());
    }

    get mode(): IntakeMode {
        return this.current;
    }

    get isOpen(): boolean {
        return this.reasons.length === 0;
    }

    /** Why no new work is taken, as anyone may read it. */
    get reasons(): string[] {
        const mode = this.current === 'open' ? [] : [`the worker is ${this.current}`];
        return [...mode, ...this.obstacles.flatMap((obstacle) => obstacle() ?? [])];
    }

    addObstacle(obstacle: Obstacle): void {
        this.obstacles.push(obstacle);
    }

    /** Takes over what another process was told. Resolves with whether it is another mode. */
    async refresh(): Promise<boolean> {
        const last = this.current;
        this.current = await this.store.intake();
        return this.current !== last;
    }

    async set(mode: IntakeMode): Promise<void> {
        await this.store.setIntake(mode);
        this.current = mode;
    }

    /** Throws {@link Refused} unless new jobs and queries are taken. */
    requireOpen(): void {
        const [reason] = this.reasons;
        if (reason !== undefined) {
            throw new Refused('paused', `This worker takes no new work: ${reason}`);
        }
    }
}
