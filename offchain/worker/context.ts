import type { SigningKey } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import type { Chain } from '../chain';
import type { EncryptionKey } from '../link';
import type { ProcessContext } from '../process/context';
import type { WorkerStore } from '../store/worker';
import type { Backends } from './backends';
import type { WorkerConfig } from './config';
import type { DiskRoom } from './diskRoom';
import type { WorkerIntake } from './intake';
import type { WorkerMetrics } from './metrics';
import type { ChangingOffers } from './offers';
import type { Processes } from './processes';

/** What every floor of one worker works with. */
export interface WorkerContext extends ProcessContext<Omit<WorkerConfig, 'offers'>, WorkerStore> {
    readonly chain: Chain;
    readonly backends: Backends;
    readonly intake: WorkerIntake;
    readonly disk: DiskRoom;
    readonly processes: Processes;
    readonly offers: ChangingOffers; // those of the configuration, until they change
    readonly receiptKey: SigningKey;
    readonly encryptionKey: EncryptionKey;
    readonly metrics: WorkerMetrics;
    readonly payout: Address;
    /** Seconds of a clock that nobody sets: what waits by the other one would wait for ever after a jump. */
    steady(): number;
    /** 16 bytes, new in every process: its sessions end with it. */
    readonly boot: Buffer;
    /** Stops the worker at once, because it cannot do what it has signed. */
    fatal(error: Error): void;
}
