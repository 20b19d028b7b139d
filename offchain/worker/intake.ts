/** Whether the worker takes new jobs and queries, as its operator says. It stays so over a restart. */
import type { IntakeMode, WorkerStore } from '../store/worker';
import { Refused } from './refusal';

export class WorkerIntake {
    private constructor(
        private readonly store: Pick<WorkerStore, 'setIntake'>,
        private current: IntakeMode,
    ) {}

    static async read(store: WorkerStore): Promise<WorkerIntake> {
        return new WorkerIntake(store, await store.intake());
    }

    get mode(): IntakeMode {
        return this.current;
    }

    get isOpen(): boolean {
        return this.current === 'open';
    }

    async set(mode: IntakeMode): Promise<void> {
        await this.store.setIntake(mode);
        this.current = mode;
    }

    /** Throws {@link Refused} unless new jobs and queries are taken. */
    requireOpen(): void {
        if (!this.isOpen) {
            throw new Refused('shutting_down', `This worker takes no new work: it is ${this.current}`);
        }
    }
}
