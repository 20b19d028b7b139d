/** Committees from flags. */
import { assertUsableKey, bytesToNumber, type Committee, ruleBounds } from '@cocoon-market/wrappers';
import { ScriptError } from './scriptError';

const { maxMembers } = ruleBounds;

/**
 * A committee of these keys. Refuses what the registry would refuse. `threshold` is two thirds, rounded up, by
 * default.
 */
export function committeeOf(keys: readonly Buffer[], threshold = Math.ceil((keys.length * 2) / 3)): Committee {
    const numbers = keys.map((key) => bytesToNumber(key));
    if (keys.length > maxMembers || new Set(numbers).size < keys.length) {
        throw new ScriptError(`A committee has 1 to ${maxMembers} different keys, these are ${keys.length}`);
    }
    if (threshold * 3 < keys.length * 2 || threshold > keys.length) {
        throw new ScriptError(`${threshold} of ${keys.length} cannot decide: at least two thirds, rounded up, have to`);
    }
    keys.forEach((key, i) => {
        try {
            assertUsableKey(key);
        } catch (error) {
            throw new ScriptError(`Key ${i + 1} of the committee: ${(error as Error).message}`);
        }
    });
    return { threshold, keys: numbers.sort((a, b) => (a < b ? -1 : 1)) };
}
