/** Sends with the wallets of @ton/ton on a local network: each can be waited for to its named outcome. */
import { Address, Cell, type Sender, toNano, type Transaction } from '@ton/core';
import { keyPairFromSeed } from '@ton/crypto';
import { TonClient, WalletContractV3R2, WalletContractV4, WalletContractV5R1 } from '@ton/ton';
import {
    type Actor,
    addressOf,
    Channel,
    claimBody,
    errors,
    Escrow,
    formatTon,
    InsufficientFunds,
    jobNumber,
    type NewJob,
    NotRun,
    openJob,
    parseTransaction,
    pricesOf,
    RefusedMessage,
    remedies,
    settling,
    setUpEscrow,
    setUpValue,
    UnknownWallet,
    signingKey,
    UnseenMessage,
    walletActor,
    withdrawDeposit,
} from '@cocoon-market/wrappers';
import { type Localnet, startLocalnet } from '@cocoon-market/localnet';
import { setImmediate } from 'node:timers/promises';
import { networkConfig } from '../../localnet/config';

const { publicKey, secretKey } = keyPairFromSeed(Buffer.alloc(32, 3));
const wallets = {
    V3R2: WalletContractV3R2.create({ workchain: 0, publicKey }),
    V4: WalletContractV4.create({ workchain: 0, publicKey }),
    V5R1: WalletContractV5R1.create({ publicKey }),
};
const key = signingKey(Buffer.alloc(32, 1));
const limits = { spendKey: key.publicKey, jobLimit: toNano('2'), dayLimit: toNano('10') };
const FAST = { pollMs: 20, seconds: 20 };

/** A transaction whose message came from this account, and that sends another one from there. */
function made(src: Address): Partial<Transaction> {
    const info = { type: 'internal', src, dest: wallets.V3R2.address, createdLt: 1n };
    const message = { info, body: Cell.EMPTY };
    const computePhase = { type: 'vm', success: true, exitCode: 0 };
    const outMessages = new Map([[0, message]]);
    return { inMessage: message, outMessages, description: { type: 'generic', computePhase } } as never;
}

describe('Sends', () => {
    let localnet: Localnet;
    let client: TonClient;
    let job: NewJob;

    beforeAll(async () => {
        localnet = await startLocalnet({ prices: '2025', clock: 'wall' });
        client = new TonClient({ endpoint: localnet.url });
        const end = localnet.now() + 86_400;
        job = { end, notice: 3_600, voucherKey: key.publicKey, payout: Buffer.alloc(32, 9), deposit: toNano('1') };
    });

    afterAll(() => localnet.close());

    describe.each(Object.entries(wallets))('of a wallet %s', (_, wallet) => {
        let actor: Actor;

        beforeAll(async () => {
            await localnet.faucet(wallet.address, toNano('100'));
            actor = walletActor(client, wallet, secretKey, FAST);
        });

        it('come from a sender without an address, and are over when the chain has processed them', async () => {
            expect(client.open(wallet).sender(secretKey).address).toBeUndefined();

            const escrow = await setUpEscrow(actor, { ...limits, deposit: toNano('5') });
            const { seqno } = await escrow.getEscrowState();
            await openJob(actor, { seqno: Number(seqno), job });

            const channel = await Channel.ofJob(escrow.address, { ...job, job: jobNumber(Number(seqno)) });
            expect((await client.open(channel).getChannelState()).refundAt).toBe(BigInt(job.end));
        });

        it('reject with the exit code, its name, the contract and a remedy when a contract refuses them', async () => {
            const escrow = actor.open(await Escrow.ofOwner(wallet.address));
            const stale = escrow.sendOpen(actor.sender, { value: toNano('1.2'), seqno: 0, jobs: [job] });

            const error = await stale.catch((reason: unknown) => reason);

            expect(error).toBeInstanceOf(RefusedMessage);
            const exitCode = errors.ErrStaleSeqno;
            expect(error).toMatchObject({ exitCode, code: 'ErrStaleSeqno', contract: 'Escrow', sent: 'Open' });
            expect((error as RefusedMessage).address.equals(escrow.address)).toBe(true);
            expect((error as RefusedMessage).remedy).toBe(remedies.ErrStaleSeqno);
            expect((error as Error).message).toContain('refused Open with ErrStaleSeqno (1031). Read seqno');
        });
    });

    it('that end an account are over when the chain has processed them, although nothing is listed of it', async () => {
        const actor = walletActor(client, wallets.V4, secretKey, FAST);
        const escrow = actor.open(await Escrow.ofOwner(wallets.V4.address));
        const { seqno } = await escrow.getEscrowState();
        const own = { ...job, payout: wallets.V4.address.hash };
        await openJob(actor, { seqno: Number(seqno), job: own });
        const { address } = await Channel.ofJob(escrow.address, { ...own, job: jobNumber(Number(seqno)) });
        const { balance } = await client.getContractState(escrow.address);

        await actor.sender.send({ to: address, value: toNano('0.1'), body: claimBody(undefined, { last: true }) });

        expect(await client.getTransactions(address, { limit: 1 })).toEqual([]);
        expect((await client.getBalance(escrow.address)) - balance).toBeGreaterThan(toNano('0.99'));
    });

    it('that end an account are over although somebody sends a nanoTON there at once, and the endpoint lists only that', async () => {
        const { sender } = walletActor(client, wallets.V4, secretKey, FAST);
        const escrow = client.open(await Escrow.ofOwner(wallets.V4.address));
        const { seqno } = await escrow.getEscrowState();
        const own = { ...job, payout: wallets.V4.address.hash };
        await openJob({ open: (contract) => client.open(contract), sender }, { seqno: Number(seqno), job: own });
        const { address } = await Channel.ofJob(escrow.address, { ...own, job: jobNumber(Number(seqno)) });
        const { sender: unwatched } = client.open(wallets.V4) as unknown as { sender(secretKey: Buffer): Sender };
        const send: Sender['send'] = async (message) => {
            await unwatched.call(client.open(wallets.V4), secretKey).send(message);
            await localnet.faucet(address, 1n);
        };
        const open: Actor['open'] = (contract) => client.open(contract);
        const tryLocateResultTx = client.tryLocateResultTx.bind(client);
        const actor = settling({ open, address: wallets.V4.address, sender: { send }, tryLocateResultTx }, FAST);
        const message = { to: address, value: toNano('0.1'), body: claimBody(undefined, { last: true }) };

        await expect(actor.sender.send(message)).resolves.toBeUndefined();

        expect(await client.getTransactions(address, { limit: 10 })).toHaveLength(1);
    });

    it('of openJob with a stale seqno reject before anything is sent, whatever the sender', async () => {
        const sent = jest.fn();
        const silent: Actor = { open: (contract) => client.open(contract), sender: { send: sent } };

        const opening = openJob({ ...silent, address: wallets.V4.address }, { seqno: 7, job });

        await expect(opening).rejects.toMatchObject({ code: 'ErrStaleSeqno', contract: 'Escrow' });
        expect(sent).not.toHaveBeenCalled();
    });

    it('that ask for more than there is reject, and nothing is withdrawn', async () => {
        const actor = walletActor(client, wallets.V4, secretKey, FAST);

        await expect(withdrawDeposit(actor, { amount: toNano('1000') })).rejects.toMatchObject({
            code: expect.stringMatching(/^ErrLow/),
            contract: 'Escrow',
            sent: 'Withdraw',
        });
    });

    it('that never arrive reject with where they were expected', async () => {
        const { address } = wallets.V4;
        const lost = settling(
            { open: (contract) => client.open(contract), address, sender: { send: async () => undefined } },
            { pollMs: 10, seconds: 0.05 },
        );

        const sending = lost.sender.send({ to: wallets.V3R2.address, value: 1n });

        await expect(sending).rejects.toThrow(UnseenMessage);
        await expect(sending).rejects.toThrow('It may still arrive');
    });

    it.each<[string, Partial<Transaction>]>([
        ['transactions of the receiver', { inMessage: undefined }],
        ['messages that this one led to', made(wallets.V4.address)],
    ])('reject in time, though the endpoint makes up %s without an end', async (_, transaction) => {
        const { address } = wallets.V4;
        let lt = 2n ** 40n;
        const account = {
            getBalance: async () => toNano('10'),
            getNewest: async () => ({ lt: ++lt, hash: Buffer.alloc(32) }),
            getPage: async (from: { lt: bigint }) => {
                await setImmediate();
                return [{ ...transaction, lt: from.lt, prevTransactionLt: from.lt - 1n, prevTransactionHash: 1n }];
            },
        };
        const open = () => account as never;
        const limits = { pollMs: 10, seconds: 0.2 };
        const sending = settling({ open, address, sender: { send: async () => undefined } }, limits).sender;

        await expect(sending.send({ to: wallets.V3R2.address, value: 1n })).rejects.toThrow(UnseenMessage);
    });

    it('to an address without a contract reject, and coins for one that is not deployed yet do not', async () => {
        const actor = walletActor(client, wallets.V4, secretKey, FAST);
        const [nobody, newWallet] = [Buffer.alloc(32, 77), Buffer.alloc(32, 78)].map((hash) => new Address(0, hash));
        const value = toNano('0.05');

        const sending = actor.sender.send({ to: nobody, value, bounce: true });

        await expect(sending).rejects.toThrow(NotRun);
        await expect(sending).rejects.toThrow(
            `No contract ran at ${nobody.toString()} for a message. Its value is back`,
        );
        await expect(actor.sender.send({ to: newWallet, value, bounce: false })).resolves.toBeUndefined();
    });

    it('that the wallet cannot pay reject before anything is sent, with what is there and what is needed', async () => {
        const sent = jest.fn();
        const empty = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: -3 } });
        const actor = settling({
            open: (contract) => client.open(contract),
            sender: { send: sent },
            address: empty.address,
        });

        const sending = setUpEscrow(actor, { ...limits, deposit: toNano('5') });

        await expect(sending).rejects.toThrow(InsufficientFunds);
        const needed = toNano('5') + setUpValue(pricesOf(networkConfig('2025')), empty.address);
        await expect(sending).rejects.toMatchObject({ code: 'InsufficientFunds', balance: 0n, needed });
        await expect(sending).rejects.toThrow(/The wallet UQ\S{46} \(on testnet 0Q\S{46}\) has 0 TON/);
        await expect(sending).rejects.toThrow(`has 0 TON, and this message takes ${formatTon(needed)} TON`);
        expect(sent).not.toHaveBeenCalled();
    });

    it('of a spend key reject with the exit code when the escrow refuses the order', async () => {
        const { address } = await Escrow.ofOwner(wallets.V4.address);
        const order = { network: localnet.networkId, seqno: 0, validUntil: localnet.now() + 60, key, jobs: [job] };

        const sending = client.open(Escrow.fromAddress(address)).sendOpenJobs(order);

        await expect(sending).rejects.toMatchObject({ code: 'ErrStaleSeqno', contract: 'Escrow', sent: 'OpenJobs' });
    });

    it('of an actor without any address say what to do', () => {
        expect(() => addressOf({ sender: { send: async () => undefined } })).toThrow(UnknownWallet);
    });

    it('are read back by name from the transactions of their account', async () => {
        const { address } = await Escrow.ofOwner(wallets.V4.address);
        const names = (await client.getTransactions(address, { limit: 20 })).map((each: Transaction) => {
            const { received, outcome } = parseTransaction(each);
            return [received?.message?.name, outcome];
        });

        expect(names).toContainEqual(['SetUp', 'ok']);
        expect(names).toContainEqual(['Open', 'ok']);
        expect(names).toContainEqual(['Open', 'ErrStaleSeqno (1031)']);
    });
});
