import type { AlertName } from '../../../offchain/worker/alerts/board';
import { OTHER_NODE, type ReadinessParts, readinessOf } from '../../../offchain/worker/readiness';

const READY: ReadinessParts = { isStopping: false, intake: { reasons: [] }, alerts: [], hasModel: true };
const alerts = (...names: AlertName[]) => names.map((alert) => ({ alert }));

describe('A worker', () => {
    it('is ready while nothing speaks against it, and with alerts that keep no work out', () => {
        const harmless = alerts('unclaimed', 'claims', 'demand', 'wallet', 'backend', 'disk');

        expect(readinessOf(READY)).toEqual({ ready: true, reasons: [] });
        expect(readinessOf({ ...READY, alerts: harmless })).toEqual({ ready: true, reasons: [] });
    });

    it.each<[string, Partial<ReadinessParts>]>([
        ['the worker is going down', { isStopping: true }],
        ['the worker is paused', { intake: { reasons: ['the worker is paused'] } }],
        ['the chain cannot be reached', { alerts: alerts('chain') }],
        [OTHER_NODE, { alerts: alerts('node', 'node') }],
        [OTHER_NODE, { alerts: alerts('node'), intake: { reasons: [OTHER_NODE] } }],
        ['the stake does not cover the node', { alerts: alerts('stake') }],
        ['no backend serves an offered model', { hasModel: false }],
    ])('is not ready because %s, which it says once', (reason, parts) => {
        expect(readinessOf({ ...READY, ...parts })).toEqual({ ready: false, reasons: [reason] });
    });
});
