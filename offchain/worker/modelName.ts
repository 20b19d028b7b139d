import { modelHash } from '../link';
import type { WorkerConfig } from './config';

/** The name of an offered model by its hash; the hash itself where it is not offered any more. */
export function modelName({ offers }: Pick<WorkerConfig, 'offers'>, hash: Buffer): string {
    return offers.find(({ model }) => modelHash(model).equals(hash))?.model ?? hash.toString('hex');
}
