import { tooManyRefused, VainRequests } from '../../../offchain/gateway/vainRequests';

describe('Requests of a key that nodes refuse for nothing', () => {
    let seconds = 0;
    const full = () => {
        seconds = 1000;
        const vain = new VainRequests(() => seconds);
        for (let time = 0; time < 32; time++) {
            expect(vain.isUsedUp('bob', 'a')).toBe(false);
            vain.add('bob', 'a');
        }
        return vain;
    };

    it('are 32 at once, and one more after ten minutes, not a second before', () => {
        const vain = full();
        expect(vain.usedUp('bob')).toEqual(['a']);
        seconds += 599;
        expect(vain.usedUp('bob')).toEqual(['a']);
        seconds += 1;
        expect(vain.usedUp('bob')).toEqual([]);
        expect(tooManyRefused()).toMatchObject({ status: 429, code: 'too_many_refused', retryAfter: 600 });
    });

    it('are counted for each key alone, and one more is allowed for each that was paid', () => {
        const vain = full();
        expect(vain.isUsedUp('eve', 'a')).toBe(false);
        vain.notePaid('bob', 'a');
        expect(vain.isUsedUp('bob', 'a')).toBe(false);
        vain.add('bob', 'a');
        expect(vain.isUsedUp('bob', 'a')).toBe(true);
    });

    it('are counted for each node alone: what another answers allows a node no more', () => {
        const vain = full();
        expect(vain.isUsedUp('bob', 'b')).toBe(false);
        vain.notePaid('bob', 'b');
        expect(vain.usedUp('bob')).toEqual(['a']);
    });

    it('are never more than 32, whatever was paid before', () => {
        seconds = 0;
        const vain = new VainRequests(() => seconds);
        for (let time = 0; time < 9; time++) vain.notePaid('bob', 'a');
        for (let time = 0; time < 32; time++) vain.add('bob', 'a');
        expect(vain.isUsedUp('bob', 'a')).toBe(true);
    });
});
