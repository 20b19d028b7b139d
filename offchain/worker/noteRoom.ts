import type { WorkerContext } from './context';
import { NO_ROOM } from './diskRoom';
import type { WorkerJob } from './job';
import { Refused } from './refusal';

const NOTES = 'vectors and log probabilities';

/**
 * Throws {@link Refused} if there is no room for the notes of one more answer. Those that run at that moment may go
 * over by `maxAnswer` each. `hasNotes`: whether the query asks for them.
 */
export function requireNoteRoom({ disk }: WorkerContext, { notes }: WorkerJob, hasNotes: boolean): void {
    if (hasNotes && !disk.hasRoomForNotes) {
        throw new Refused('no_storage', `This worker stores no more ${NOTES} for now: ${NO_ROOM}`);
    }
    if (hasNotes && notes.isEmpty) {
        throw new Refused(
            'no_storage',
            `This worker stores no more ${NOTES} of this client for now: pay for earlier answers, or ask later`,
        );
    }
}
