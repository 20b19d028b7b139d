/**
 * The other processes that share this gateway's store: what they changed is read, and the jobs of those that ended are
 * taken over.
 */
import { reporting } from '../process/log';
import { PollLoop } from '../process/tasks';
import type { GatewayContext } from './context';
import type { Recovery } from './recovery';

const LOOK_MS = 1000; // a lease ends after 6 s, and the jobs of its process have another one within 10 s

/** Looks at the others from time to time; undefined if there can be none. */
export function othersLoop(context: GatewayContext, recovery: Recovery): PollLoop | undefined {
    const { store, people, setbacks, log } = context;
    if (!store.cluster.isShared) {
        return undefined;
    }
    const failed = reporting(log, 'error', 'what other processes of this gateway do is not read');
    const round = () => Promise.all([recovery.takeOver(), people.apiKeys.refresh(), setbacks.refresh()]);
    return new PollLoop(round, LOOK_MS, failed);
}
