import { registryChanges } from '@cocoon-market/wrappers';
import { changeText } from '../../scripting/change';
import type { ScriptSession } from '../../scripting/session';
import { committeeOf } from '../support/stake';

const NONE = {} as ScriptSession; // a committee names no address

describe('A committee that waits', () => {
    it('is told by whole keys: whoever makes keys of the same first digits does not pass for it', () => {
        const { threshold, keys } = committeeOf(3, 2);
        const alike = keys.map((key) => key ^ 1n);

        const text = changeText(NONE, registryChanges.committee({ threshold, keys }));

        expect(changeText(NONE, registryChanges.committee({ threshold, keys: alike }))).not.toBe(text);
        for (const key of keys) {
            expect(text).toContain(key.toString(16).padStart(64, '0'));
        }
    });
});
