/** Messages that only contracts send, as a stranger forges them. */
import { Cell } from '@ton/core';
import { OpcodeName } from '@cocoon-market/wrappers';

import { Contract } from '../model';
import { addressOf } from './names';
import { changeOf, head } from './wire';

/** Messages that only contracts send, by the kind of contract to which they go. */
export const FORGERIES: Record<Contract['kind'], OpcodeName[]> = {
    channel: [],
    escrow: [],
    registry: ['RegisterProvider', 'AnnounceNode', 'AnnounceSelf'],
    provider: ['RulesGiven', 'ShareFreed', 'ShareReleased', 'ShareSlashed', 'CaseClosed', 'FaultFound'],
    node: ['StartNode', 'ApplyChange', 'ApplyHardware', 'StopNode', 'ReleaseShare', 'SlashShare'],
    dispute: ['OpenCase'],
};

/** One of them as a stranger forges it. */
export function cellOfForgery(name: OpcodeName): Cell {
    const nobody = addressOf('00'.repeat(32));
    const amount = 10n ** 9n;
    const builder = name === 'OpenCase' ? head(name, false) : head(name);
    switch (name) {
        case 'RulesGiven':
            return builder.storeUint(99, 32).storeRef(Cell.EMPTY).endCell();
        case 'ShareFreed':
            builder.storeUint(amount, 64).storeUint(1, 16).storeUint(0, 32).storeUint(0, 8).storeBit(true);
            return builder.storeAddress(nobody).storeMaybeRef(null).endCell();
        case 'ShareReleased':
            return builder.storeUint(0, 32).storeUint(0, 8).storeUint(amount, 64).storeAddress(nobody).endCell();
        case 'ShareSlashed':
            builder.storeUint(0, 32).storeUint(0, 8).storeUint(amount, 64).storeUint(amount, 64).storeAddress(nobody);
            return builder.storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).endCell();
        case 'CaseClosed':
            builder.storeUint(1, 2).storeUint(amount, 64).storeAddress(nobody);
            return builder.storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).endCell();
        case 'FaultFound':
            builder.storeUint(0, 32).storeUint(0, 8).storeUint(amount, 64);
            return builder.storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).endCell();
        case 'StopNode':
            return builder.storeBit(true).storeUint(3600, 32).storeUint(3600, 32).storeAddress(nobody).endCell();
        case 'ApplyChange':
            builder.storeUint(0, 64).storeUint(0, 8).storeBit(true).storeUint(3600, 32).storeAddress(nobody);
            return builder.storeRef(changeOf({ kind: 'offers' })).endCell();
        case 'ReleaseShare':
            return builder.storeUint(0, 8).storeUint(amount, 64).storeUint(1, 64).storeAddress(nobody).endCell();
        case 'SlashShare':
            builder.storeUint(0, 8).storeUint(amount, 64).storeAddress(nobody);
            return builder.storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).endCell();
        case 'OpenCase':
            builder.storeUint(amount, 64).storeUint(0, 32).storeUint(0, 8).storeUint(1, 64).storeUint(0, 64);
            return builder.storeRef(Cell.EMPTY).storeRef(Cell.EMPTY).endCell();
        default:
            return builder.storeUint(amount, 64).storeUint(0, 256).storeAddress(nobody).storeRef(Cell.EMPTY).endCell();
    }
}
