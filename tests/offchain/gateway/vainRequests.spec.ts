import { VainRequests } from '../../../offchain/gateway/vainRequests';

describe('Requests of a key that nodes refuse for nothing', () => {
    let seconds = 0;
    const full = () => {
        seconds = 1000;
        const vain = new VainRequests(() => seconds);
        for (let time = 0; time < 32; time++) {
            expect(() => vain.require('bob')).not.toThrow();
            vain.add('bob');
        }
        return vain;
    };
    const refused = expect.objectContaining({ status: 429, code: 'too_many_refused', retryAfter: 600 });

    it('are 32 at once, and one more after ten minutes, not a second before', () => {
        const vain = full();
        expect(() => vain.require('bob')).toThrow(refused);
        seconds += 599;
        expect(() => vain.require('bob')).toThrow(refused);
        seconds += 1;
        expect(() => vain.require('bob')).not.toThrow();
    });

    it('are counted for each key alone, and one more is allowed for each that was paid', () => {
        const vain = full();
        expect(() => vain.require('eve')).not.toThrow();
        vain.notePaid('bob');
        expect(() => vain.require('bob')).not.toThrow();
        vain.add('bob');
        expect(() => vain.require('bob')).toThrow(refused);
    });

    it('are never more than 32, whatever was paid before', () => {
        seconds = 0;
        const vain = new VainRequests(() => seconds);
        for (let time = 0; time < 9; time++) vain.notePaid('bob');
        for (let time = 0; time < 32; time++) vain.add('bob');
        expect(() => vain.require('bob')).toThrow(refused);
    });
});
