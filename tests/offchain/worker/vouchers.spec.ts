import { Voucher, voucherFor } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { keyPairFromSeed, sign, signVerify } from '@ton/crypto';
import { randomBytes } from 'node:crypto';
import { TestClient } from '../support/client';
import { type Fixture, startFixture } from '../support/worker';
import { randomSigningKey } from '../../support/keys';

let fixture: Fixture;
let client: TestClient;

beforeEach(async () => {
    fixture = await startFixture();
    client = await TestClient.withJob(fixture.worker.url, fixture.chain, {}, 1000n);
});

afterEach(() => fixture.stop());

const L = (1n << 252n) + 27742317777372353535851937790883648493n;

/** The same signature with S + L, which tweetnacl takes and no contract does. */
function plusL(signature: Buffer): Buffer {
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + L;
    const bytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
    return Buffer.concat([signature.subarray(0, 32), bytes]);
}

describe('a voucher', () => {
    it('rule 8: counts up to what the channel holds and has paid, and not one nanoTON more', async () => {
        await client.pay(client.voucher(400n, 0));
        fixture.chain.change(client.channel, { balance: 600n, paid: 400n });
        expect(await client.pay(client.voucher(1001n, 0))).toMatchObject({
            status: 422,
            body: {
                error: {
                    code: 'bad_voucher',
                    message: expect.stringContaining('more than the channel holds') as string,
                },
            },
        });
        expect((await client.pay(client.voucher(1000n, 0))).status).toBe(200);
    });

    it('rule 8: counts after a top-up that the worker had not seen', async () => {
        fixture.chain.change(client.channel, { balance: 2000n });
        expect((await client.pay(client.voucher(2000n, 0))).status).toBe(200);
    });

    it('rule 8: is on the disk when it is acknowledged', async () => {
        const voucher = client.voucher(700n, 3);
        await client.pay(voucher);
        client.url = (await fixture.restart()).url;
        expect((await client.state()).voucher).toEqual({
            cumulative: '700',
            count: 3,
            signature: voucher.signature.toString('hex'),
        });
    });

    it.each<[string, (client: TestClient) => ReturnType<TestClient['voucher']>]>([
        ['another key signed', (own) => own.voucher(10n, 0, randomSigningKey())],
        ['was signed for another channel', (own) => own.voucher(10n, 0, own.key, new Address(0, randomBytes(32)))],
        ['was signed for another amount', (own) => ({ ...own.voucher(10n, 0), cumulative: 11n })],
        ['was signed for another count', (own) => ({ ...own.voucher(10n, 0), count: 1 })],
        ['has a signature of zeros', () => ({ cumulative: 10n, count: 0, signature: Buffer.alloc(64) })],
    ])('rule 8: is refused when it %s', async (_case, make) => {
        expect(await client.pay(make(client))).toMatchObject({ status: 422, body: { error: { code: 'bad_voucher' } } });
        expect((await client.state()).voucher).toBeNull();
    });

    it('rule 8: is refused with a signature that other libraries accept and the chain does not (S + L)', async () => {
        const seed = randomBytes(32);
        const pair = keyPairFromSeed(seed);
        const key = { publicKey: pair.publicKey, sign: (hash: Buffer) => sign(hash, pair.secretKey) };
        const payer = new TestClient(fixture.worker.url, fixture.chain, key);
        await payer.draft();
        await payer.open();
        await payer.register();

        const voucher = payer.voucher(10n, 0);
        const malleable = { ...voucher, signature: plusL(voucher.signature) };
        const hash = Voucher.hash(voucherFor(fixture.chain.network, payer.channel, 10n, 0));
        expect(signVerify(hash, malleable.signature, pair.publicKey)).toBe(true);

        expect(await payer.pay(malleable)).toMatchObject({ status: 422, body: { error: { code: 'bad_voucher' } } });
        expect((await payer.pay(voucher)).status).toBe(200);
    });

    it('rule 7: is answered with the newest when it is older', async () => {
        const newest = client.voucher(500n, 2);
        await client.pay(newest);
        const answer = { voucher: { cumulative: '500', count: 2, signature: newest.signature.toString('hex') } };
        for (const older of [client.voucher(400n, 2), client.voucher(500n, 1), newest, client.voucher(1n, 0)]) {
            expect(await client.pay(older)).toEqual({ status: 200, body: answer });
        }
    });

    it('rule 7: is refused when one number grows and the other falls', async () => {
        await client.pay(client.voucher(500n, 2));
        expect(await client.pay(client.voucher(600n, 1))).toMatchObject({ status: 422 });
        expect(await client.pay(client.voucher(400n, 3))).toMatchObject({ status: 422 });
        expect((await client.pay(client.voucher(500n, 3))).status).toBe(200);
    });

    it('rule 11: counts whatever the order in which many arrive', async () => {
        const vouchers = Array.from({ length: 50 }, (_, i) => client.voucher(BigInt(i + 1), i + 1));
        const shuffled = vouchers.map((voucher) => ({ voucher, at: Math.random() })).sort((a, b) => a.at - b.at);
        await Promise.all(shuffled.map(({ voucher }) => client.pay(voucher)));
        expect((await client.state()).voucher).toMatchObject({ cumulative: '50', count: 50 });
    });

    it('is refused for a job that is not registered', async () => {
        client.job = randomBytes(32);
        expect(await client.pay(client.voucher(1n, 0))).toMatchObject({
            status: 404,
            body: { error: { code: 'unknown_job' } },
        });
    });
});
