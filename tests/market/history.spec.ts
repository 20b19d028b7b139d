/** A history that an endpoint makes up: each transaction is what the one after it names, and there is no first one. */
import { Address, type Transaction } from '@ton/core';
import { MarketError, type MarketClient } from '@cocoon-market/wrappers/market';
import { readHistory } from '@cocoon-market/wrappers/market/history';

const account = new Address(0, Buffer.alloc(32));
const PAGE = 10; // transactions

const hashOf = (lt: bigint) => Buffer.from(lt.toString(16).padStart(64, '0'), 'hex');

const made = (lt: bigint) =>
    ({
        address: 0n,
        lt,
        hash: () => hashOf(lt),
        prevTransactionLt: lt - 1n,
        prevTransactionHash: lt - 1n,
    }) as Transaction;

it('A history without an end is refused after a million transactions', async () => {
    let listed = 0;
    const newest = 2n ** 40n;
    const getAccount = async () => ({ newest: { lt: newest, hash: hashOf(newest) } });
    const client: MarketClient = {
        open: () => ({ getAccount }) as never,
        getTransactions: async (_, { lt }) => {
            listed += PAGE;
            if (listed > 2_000_000) {
                throw new Error('it is read further');
            }
            return Array.from({ length: PAGE }, (_, i) => made(BigInt(lt!) - BigInt(i)));
        },
    };

    const reading = readHistory(client, account, undefined, () => []);

    await expect(reading).rejects.toThrow(MarketError);
    await expect(reading).rejects.toMatchObject({ code: 'contradiction' });
    expect(listed).toBe(1_000_000);
});

it('A page with more transactions than were asked for is read as far as they were', async () => {
    const pages: bigint[] = [];
    const getAccount = async () => ({ newest: { lt: 250n, hash: hashOf(250n) } });
    const client: MarketClient = {
        open: () => ({ getAccount }) as never,
        getTransactions: async (_, { lt }) => {
            pages.push(BigInt(lt!));
            return Array.from({ length: Number(lt) }, (_, i) => made(BigInt(lt!) - BigInt(i)));
        },
    };

    const { found } = await readHistory(client, account, undefined, ({ lt }) => [lt]);

    expect(pages).toEqual([250n, 150n, 50n]);
    expect(found).toHaveLength(250);
});
