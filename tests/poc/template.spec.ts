/**
 * A proof of concept in one file: copy it to tests/poc/<name>.spec.ts, change `attack`, and run
 * `npx jest tests/poc/<name>.spec.ts`. It passes while the attacker gains nothing, and fails when your attack works,
 * with the amount. See "A proof of concept" in SECURITY.md.
 */
import { Address, beginCell, Cell, contractAddress, internal, storeMessageRelaxed, toNano } from '@ton/core';
import { BlockchainTransaction } from '@ton/sandbox';
import { claimBody } from '@cocoon-market/wrappers';
import { expectConserved, transactionsOn } from '../support/chain';
import { Market, OpenJob, useMarket } from '../support/market';

/** The accounts that the attacker controls. What they have after an attack and did not have before is the gain. */
type Attackers = { address: Address }[];

/** nanoTON that these accounts have more after the attack than before; negative if it cost them something. */
async function gainOf({ blockchain }: Market, attackers: Attackers, attack: () => Promise<unknown>): Promise<bigint> {
    const wealth = async () => {
        const balances = attackers.map(async ({ address }) => (await blockchain.getContract(address)).balance);
        return (await Promise.all(balances)).reduce((sum, balance) => sum + balance, 0n);
    };
    const before = await wealth();
    await attack();
    return (await wealth()) - before;
}

/** nanoTON of rent that an account paid in these transactions, for the time that had passed. */
function rentOf(account: Address, transactions: BlockchainTransaction[]): bigint {
    const rents = transactionsOn({ transactions }, account).map(({ description }) =>
        description.type === 'generic' ? (description.storagePhase?.storageFeesCollected ?? 0n) : 0n,
    );
    return rents.reduce((sum, rent) => sum + rent, 0n);
}

const market = useMarket(); // a client's escrow with 100 TON, on a chain of its own; before each test as it was then

describe('A proof of concept', () => {
    let job: OpenJob; // of 1 TON, opened by the client's spend key

    beforeEach(async () => {
        job = await market().openJob();
    });

    /**
     * The attack: what the attacker sends, in order. It returns the transactions of all messages: fees are no loss
     * of money. This one claims twice with a voucher that the attacker made up, the second time an hour later.
     */
    async function attack(): Promise<BlockchainTransaction[]> {
        const { stranger, blockchain } = market();
        const forged = { cumulative: toNano('1'), count: 1, signature: Buffer.alloc(64, 1) };
        const claim = () => market().send(stranger, job.channel, { value: toNano('0.1'), body: claimBody(forged) });
        const first = await claim();
        blockchain.now! += 3600;
        const second = await claim();
        return [...first.transactions, ...second.transactions];
    }

    it('shows whether the attacker gains: here a made-up voucher pays nothing', async () => {
        const { stranger, blockchain } = market();

        const action = async () => ({ transactions: await attack(), events: [], externals: [] });
        const gain = await gainOf(market(), [stranger], () => expectConserved(blockchain, action));

        expect(gain).toBeLessThanOrEqual(0n);
    });

    it('shows whether anyone loses: here the job keeps its money', async () => {
        const before = await market().balanceOf(job.channel);

        const transactions = await attack();

        const loss = before - (await market().balanceOf(job.channel)) - rentOf(job.channel.address, transactions);
        expect(loss).toBeLessThanOrEqual(0n);
    });

    it('would fail for a contract that can be robbed: the gain is measured to the nanoTON', async () => {
        const { stranger, owner } = market();
        const generous = await deployGenerous();
        await market().send(owner, generous, { value: toNano('5'), bounce: false });
        const toAttacker = internal({ to: stranger.address, value: 0n });
        const message = beginCell().store(storeMessageRelaxed(toAttacker)).endCell();
        const body = beginCell().storeRef(message).endCell();

        const gain = await gainOf(market(), [stranger], () =>
            market().send(stranger, generous, { value: toNano('0.1'), body }),
        );

        expect(gain).toBeGreaterThan(toNano('4.9'));
        expect(gain).toBeLessThan(toNano('5.001')); // all that it had
    });
});

/** A contract that sends whatever anyone asks it to, with all that it has. */
async function deployGenerous(): Promise<{ address: Address }> {
    // Drops the selector, takes the message in the body's reference, and sends it in mode 128.
    const code = beginCell().storeBuffer(Buffer.from('ff0030d74c810080fb00', 'hex')).endCell();
    const init = { code, data: Cell.EMPTY };
    const address = contractAddress(0, init);
    await market().send(market().owner, { address }, { value: 1_000_000n, init, bounce: false });
    return { address };
}
