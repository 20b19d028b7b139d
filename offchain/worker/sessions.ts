/** The sealed session of a job. The worker has the newest one only. */
import { acceptSession, type Session, withProcess } from '../link';
import type { WorkerContext } from './context';
import type { JobEntry } from './entry';

export class JobSession {
    private accepted: Promise<Session> | undefined;

    constructor(
        private readonly context: WorkerContext,
        private readonly entry: JobEntry,
    ) {}

    /** The newest session. */
    current(): Promise<Session> {
        const { enc } = this.entry.record;
        this.accepted ??= this.accept(enc);
        return this.accepted;
    }

    /** Begins a new session in place of the old one. Throws when `enc` is not a key. */
    async begin(enc: Buffer): Promise<void> {
        const { job, enc: stored } = this.entry.record;
        if (!enc.equals(stored)) {
            const session = await this.accept(enc);
            await this.context.store.jobs.setSession(job, enc);
            this.entry.update({ enc });
            this.accepted = Promise.resolve(session);
        }
    }

    private async accept(enc: Buffer): Promise<Session> {
        const { encryptionKey, boot } = this.context;
        return withProcess(await acceptSession(encryptionKey, enc, this.entry.record.job), boot);
    }
}
