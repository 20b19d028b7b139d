import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { Address } from '@ton/core';
import { ChainError, HotWallet, outcomeOf, OutcomeUnknown, TonHttpChain } from '../../../offchain/chain';

const COIN = 1_000_000_000n;
const to = new Address(0, Buffer.alloc(32, 9));

describe('A wallet whose API fails', () => {
    let network: Localnet;
    let chain: TonHttpChain;
    let wallet: HotWallet;
    const arrived = async () => (await chain.account(to)).balance;

    beforeEach(async () => {
        network = await startLocalnet({ clock: 'manual' });
        chain = new TonHttpChain({ network: -239, endpoint: network.url });
        jest.spyOn(chain, 'as').mockReturnValue(chain); // so that what a test does to the chain reaches the wallet
        wallet = new HotWallet(chain, Buffer.alloc(32, 3), 20);
        await network.faucet(wallet.address, 10n * COIN);
    });

    afterEach(() => network.close());

    const pay = (value = COIN) => wallet.send([{ to, value, bounce: false }]);

    it('sends once what an API answers with 504 and delivers later', async () => {
        network.disturbances.plan('sendBoc', { kind: 'late', status: 504, afterMs: 300 }, 2);

        await pay();
        await new Promise((resolve) => setTimeout(resolve, 500));

        expect(await arrived()).toBe(COIN);
        await pay();
        expect(await arrived()).toBe(2n * COIN);
    });

    it('has all its calls go before those that only read', async () => {
        jest.restoreAllMocks();
        const called = jest.spyOn(chain.api, 'call');
        await pay();

        expect(called.mock.calls.map(([method]) => method)).toContain('sendBoc');
        expect(new Set(called.mock.calls.map(([, , urgency]) => urgency))).toEqual(new Set(['urgent']));
    });

    it('says that nothing was sent when the order can be taken no more', async () => {
        network.disturbances.plan('sendBoc', { kind: 'down', status: 504 }, 50);
        const ended = pay().catch((error: unknown) => error as ChainError);
        while (!network.disturbances.calls.has('sendBoc')) {
            await new Promise((resolve) => setTimeout(resolve, 10));
        }
        network.advance(130);
        network.disturbances.clear();

        expect((await ended)!.message).toMatch(/order 0 in time, so nothing was sent/);
        await pay();
        expect(await arrived()).toBe(COIN);
    });

    it('does not think an order lapsed for one answer about the time', async () => {
        const truth = await chain.account(wallet.address);
        const times = { from: truth.at, validUntil: truth.at + 60 };
        jest.spyOn(chain, 'account').mockResolvedValueOnce({ ...truth, at: truth.at + 3600 });

        expect(
            await outcomeOf(chain, { wallet: wallet.address, seqno: 0, hash: 'ab', ...times }, async () => 0, 20),
        ).toBe('waiting');
    });

    it('does not take an order of another device for its own', async () => {
        const other = new HotWallet(chain, Buffer.alloc(32, 3), 20);
        await other.send([{ to, value: COIN, bounce: false }]);
        const seqno = async () => 1;
        const order = {
            wallet: wallet.address,
            seqno: 0,
            hash: 'ab',
            from: network.now(),
            validUntil: network.now() + 60,
        };

        expect(await outcomeOf(chain, order, seqno)).toBe('waiting');
        network.advance(66);
        expect(await outcomeOf(chain, order, seqno)).toBe('overtaken');
        expect(await outcomeOf(chain, { ...order, seqno: 1 }, seqno)).toBe('lapsed');
    });

    describe('once it does not know what became of an order', () => {
        beforeEach(() => {
            const order = {
                wallet: wallet.address,
                seqno: 0,
                hash: '',
                from: network.now(),
                validUntil: network.now() + 120,
            };
            // As after minutes of silence: the order is out, and nobody said more.
            Object.assign(wallet, { pending: { order, content: 'another payment' } });
        });

        it('sends nothing while that order may still be taken', async () => {
            await expect(pay()).rejects.toBeInstanceOf(OutcomeUnknown);
            expect(await arrived()).toBe(0n);
        });

        it('sends again once it never will be', async () => {
            network.advance(126);

            await pay();

            expect(await arrived()).toBe(COIN);
        });
    });

    describe('whose order was taken while the API was silent for minutes', () => {
        const lost = new ChainError('the API is silent', undefined, { unknown: true });

        beforeEach(async () => {
            const sendExternal = chain.sendExternal.bind(chain);
            const deaf = jest.spyOn(chain, 'sendExternal').mockImplementation(async (...message) => {
                await sendExternal(...message);
                jest.spyOn(chain, 'account').mockRejectedValue(lost);
                const later = performance.now() + 200_000;
                jest.spyOn(performance, 'now')
                    .mockReturnValueOnce(later - 200_000)
                    .mockReturnValue(later);
                throw lost;
            });
            await expect(pay()).rejects.toBeInstanceOf(OutcomeUnknown);
            expect(deaf).toHaveBeenCalledTimes(1);
            jest.restoreAllMocks();
        });

        it('sends nothing when asked for the same once more', async () => {
            await pay();

            expect(await arrived()).toBe(COIN);
        });

        it('asks to read the state first when asked for something else', async () => {
            await expect(pay(2n * COIN)).rejects.toThrow('read the state again');
            expect(await arrived()).toBe(COIN);

            await pay(2n * COIN);
            expect(await arrived()).toBe(3n * COIN);
        });
    });
});
