import type { ProcessContext } from '../process/context';
import type { GatewayStore } from '../store/gateway';
import type { Activity } from './activity';
import type { GatewayConfig } from './config';
import type { EscrowAccount } from './escrow';
import type { ClientKeys } from './keys';
import type { GatewayMetrics } from './metrics';
import type { Nodes } from './nodes';
import type { People } from './people';
import type { Setbacks } from './setbacks';
import type { SpendAccount } from './spending';

/** What every floor of one gateway works with. */
export interface GatewayContext extends ProcessContext<GatewayConfig, GatewayStore> {
    readonly network: number;
    readonly keys: ClientKeys;
    readonly nodes: Nodes;
    readonly escrow: EscrowAccount;
    readonly spending: SpendAccount;
    readonly setbacks: Setbacks;
    readonly people: People;
    readonly activity: Activity;
    readonly metrics: GatewayMetrics;
}
