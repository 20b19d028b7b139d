import { RecordType, receiptLayouts } from '../../offchain/link/records';
import { lostVouchers } from './checks';
import { WireLog } from './recorder';

const JOB = Buffer.alloc(32, 1);
const ID = JOB.toString('hex');
const voucher = (count: number, cumulative: bigint, byte = 1) => ({
    count,
    cumulative,
    signature: Buffer.alloc(64, byte),
});

describe('The log of the wire', () => {
    it.each([
        ['the same voucher twice', [voucher(1, 10n), voucher(1, 10n)], 0],
        ['more money for as many results, as a meter brings it', [voucher(1, 10n), voucher(1, 15n)], 0],
        ['more results for as much money, which was paid before', [voucher(1, 10n), voucher(2, 10n)], 0],
        ['a newer and then an older voucher', [voucher(2, 20n), voucher(1, 10n)], 0],
        ['more money for fewer results', [voucher(2, 20n), voucher(1, 25n)], 1],
        ['less money for more results', [voucher(1, 25n), voucher(2, 20n)], 1],
        ['two signatures of one voucher', [voucher(1, 10n), voucher(1, 10n, 2)], 1],
    ])('of %s', (_, vouchers, breaches) => {
        const log = new WireLog();
        vouchers.forEach((one) => log.addVoucher(ID, one));
        expect(log.breaches).toHaveLength(breaches);
    });

    const resultOf = (number: number, index: number, price: bigint) => {
        const payload = receiptLayouts[RecordType.Result].encode({
            ...{ job: JOB, number, index, content: Buffer.alloc(32), price, cumulative: price },
            ...{ prompt: 1, cached: 0, completion: 1, reasoning: 0, finishedAt: 1, finish: 0 },
        });
        return Buffer.concat([payload, Buffer.alloc(64)]);
    };

    it.each([
        ['the same result twice', [resultOf(1, 1, 5n), resultOf(1, 1, 5n)], 0],
        ['two results of one index', [resultOf(1, 1, 5n), resultOf(2, 1, 5n)], 1],
        ['two results of one number', [resultOf(1, 1, 5n), resultOf(1, 2, 5n)], 1],
    ])('of %s', (_, results, breaches) => {
        const log = new WireLog();
        results.forEach((bytes) => log.addReceipt(RecordType.Result, bytes));
        expect(log.breaches).toHaveLength(breaches);
    });

    it('names a voucher that a store has lost', () => {
        const acknowledged = new Map([[ID, 10n]]);
        expect(lostVouchers(acknowledged, [{ id: ID, voucher: 10n }])).toEqual([]);
        expect(lostVouchers(acknowledged, [{ id: ID, voucher: 9n }])).toHaveLength(1);
        expect(lostVouchers(acknowledged, [])).toHaveLength(1);
    });
});
