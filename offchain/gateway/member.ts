/** A process that slept through the end of its lease sends nothing: another one may have its jobs. */
import type { GatewayStore } from '../store/gateway';
import { LeaseLost } from '../store/leases';

/** Throws unless this process still has its jobs. Nothing is awaited between this and what is sent. */
export function requireMember({ cluster }: { cluster: Pick<GatewayStore['cluster'], 'isHeld'> }): void {
    if (!cluster.isHeld) {
        throw new LeaseLost('Another process of this gateway may have the jobs of this one, so nothing is sent');
    }
}
