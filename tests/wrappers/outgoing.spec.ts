/** Messages for TonConnect and links say bit for bit what the same action sends. */
import { Address, beginCell, Cell, internal, loadStateInit, SendMode, storeMessageRelaxed, toNano } from '@ton/core';
import type { Contract, SenderArguments } from '@ton/core';
import {
    type Actor,
    claimBody,
    depositTo,
    Escrow,
    messagesOfAction,
    parseMessage,
    pricesOf,
    setUpEscrow,
    tonConnectMessage,
    transferLink,
} from '@cocoon-market/wrappers';
import { networkConfig } from '../../localnet/config';

const WALLET = new Address(0, Buffer.alloc(32, 5));
const settings = {
    ...{ spendKey: Buffer.alloc(32, 7), jobLimit: 1n, dayLimit: 2n, deposit: toNano('3') },
    prices: pricesOf(networkConfig('2026')), // there is no chain to ask
};
const open: Actor['open'] = (contract) =>
    new Proxy(contract, {
        get: (target, name) => {
            const member = (target as Record<string | symbol, unknown>)[name];
            return typeof member === 'function' && /^send/.test(String(name))
                ? (...args: unknown[]) =>
                      (member as (...all: unknown[]) => unknown).call(target, providerOf(contract), ...args)
                : member;
        },
    }) as never;

const providerOf = (contract: Contract) => ({
    internal: async (via: { send(args: SenderArguments): Promise<void> }, args: Omit<SenderArguments, 'to'>) =>
        via.send({ to: contract.address, init: contract.init ?? undefined, bounce: true, ...args }),
});

const cellOf = (boc: string) => Cell.fromBoc(Buffer.from(boc, 'base64'))[0];

describe('A message of an action', () => {
    let sent: SenderArguments;
    beforeAll(async () => {
        [sent] = await messagesOfAction({ open }, WALLET, (actor) => setUpEscrow(actor, settings));
    });

    it('is what a wallet would sign, bit for bit, as TonConnect takes it', () => {
        const { address, amount, payload, stateInit } = tonConnectMessage(sent, -239);

        const { isBounceable, address: to } = Address.parseFriendly(address);
        const signed = internal({
            to,
            value: BigInt(amount),
            bounce: isBounceable,
            body: cellOf(payload!),
            init: loadStateInit(cellOf(stateInit!).beginParse()),
        });
        const whole = internal({ ...sent, bounce: sent.bounce ?? true, init: sent.init ?? undefined });
        const hashOf = (message: typeof signed) => beginCell().store(storeMessageRelaxed(message)).endCell().hash();
        expect(hashOf(signed).toString('hex')).toBe(hashOf(whole).toString('hex'));
        expect(parseMessage(cellOf(payload!))).toMatchObject({ name: 'SetUp', fields: { deposit: settings.deposit } });
    });

    it('takes its whole value along, whatever the wallet does when it is told nothing', async () => {
        const [deposit] = await messagesOfAction({ open }, WALLET, (actor) =>
            depositTo(actor, { owner: WALLET, amount: toNano('1') }),
        );

        expect([sent.sendMode, deposit.sendMode]).toEqual([SendMode.PAY_GAS_SEPARATELY, SendMode.PAY_GAS_SEPARATELY]);
    });

    it('is a link with the same address, amount, body and state', () => {
        const link = new URL(transferLink(sent, -239));
        const { address, amount, payload, stateInit } = tonConnectMessage(sent, -239);

        expect(link.protocol).toBe('ton:');
        expect(link.pathname).toContain(address);
        expect(link.searchParams.get('amount')).toBe(amount);
        expect(Buffer.from(link.searchParams.get('bin')!, 'base64url').toString('base64')).toBe(payload);
        expect(Buffer.from(link.searchParams.get('init')!, 'base64url').toString('base64')).toBe(stateInit);
        expect(link.search).not.toMatch(/[+/]/);
    });

    it('carries the mark of the network in its address, and no body or state that it does not have', async () => {
        const plain = { to: WALLET, value: 5n, bounce: false };

        expect(tonConnectMessage(plain, -239)).toEqual({
            address: WALLET.toString({ bounceable: false }),
            amount: '5',
        });
        expect(Address.parseFriendly(tonConnectMessage(plain, -3).address)).toMatchObject({ isTestOnly: true });
        const [deposit] = await messagesOfAction({ open }, WALLET, (actor) =>
            depositTo(actor, { owner: WALLET, amount: toNano('1') }),
        );
        expect(tonConnectMessage(deposit, -239).stateInit).toBeUndefined();
        expect(deposit.to.equals((await Escrow.ofOwner(WALLET)).address)).toBe(true);
    });
});

describe('A body', () => {
    const claim = claimBody({ cumulative: 5n, count: 1, signature: Buffer.alloc(64) });

    it('is read by name with its fields', () => {
        expect(parseMessage(claim)).toMatchObject({ name: 'Claim', fields: { cumulative: 5n, count: 1n } });
    });

    it('that is empty, too short, exotic or of another contract is no message of the suite', () => {
        const cut = beginCell().storeBits(claim.bits.substring(0, 40)).endCell();
        const library = beginCell().storeUint(2, 8).storeUint(0, 256).endCell({ exotic: true });
        const comment = beginCell().storeUint(0, 32).storeStringTail('hello').endCell();
        for (const body of [Cell.EMPTY, cut, library, comment]) {
            expect(parseMessage(body)).toBeUndefined();
        }
    });
});
