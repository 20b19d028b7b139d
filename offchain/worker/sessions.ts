/** The sealed session of a job. The worker has the newest one only. */
import { acceptSession, type Session, withProcess } from '../link';
import type { JobRecord } from '../store/worker';
import type { WorkerContext } from './context';
import type { JobEntry } from './entry';

type SessionStart = Pick<JobRecord, 'enc' | 'wire'>;

export class JobSession {
    private accepted: Promise<Session> | undefined;

    constructor(
        private readonly context: WorkerContext,
        private readonly entry: JobEntry,
    ) {}

    /** The newest session. */
    current(): Promise<Session> {
        this.accepted ??= this.accept(this.entry.record);
        return this.accepted;
    }

    /** Begins a new session in place of the old one. Throws when `enc` is not a key. */
    async begin({ enc, wire }: SessionStart): Promise<void> {
        const { record } = this.entry;
        if (!enc.equals(record.enc) || wire !== record.wire) {
            const session = await this.accept({ enc, wire });
            await this.context.store.jobs.setSession(record.job, { enc, wire });
            this.entry.update({ enc, wire });
            this.accepted = Promise.resolve(session);
        }
    }

    private async accept({ enc, wire }: SessionStart): Promise<Session> {
        const { encryptionKey, boot } = this.context;
        return withProcess(await acceptSession(encryptionKey, enc, { job: this.entry.record.job, wire }), boot);
    }
}
