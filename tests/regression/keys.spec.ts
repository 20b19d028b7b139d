/**
 * What no key can do: the messages of a contract, in every length that one of them has, from those who have no right to
 * them.
 */
import { beginCell, Cell, toNano } from '@ton/core';
import { internal, SendMessageResult } from '@ton/sandbox';
import { opcodes } from '@cocoon-market/wrappers';
import { drawnFrom, transactionsOn } from '../support/chain';
import { rentOf, useMarket } from '../support/market';
import { DAY, nodeMarket } from '../support/stake';

const VALUE = toNano('1');
/** Lengths of the fields of messages that move money, in bits: empty, a query's number, and what may follow it. */
const LENGTHS = [0, 1, 4, 8, 32, 40, 64, 256, 267].map((rest) => 64 + rest).concat(0);

/**
 * The messages to one contract, by its part of the opcodes (such as 0xc0c004), with fields of zeros and fields that end
 * in 1.
 */
function messagesOf(part: number): { name: string; body: Cell }[] {
    return Object.entries(opcodes)
        .filter(([, opcode]) => opcode >>> 8 === part)
        .flatMap(([name, opcode]) => {
            const body = (length: number, fields: number) =>
                beginCell().storeUint(opcode, 32).storeUint(fields, length).endCell();
            return [...LENGTHS.map((length) => body(length, 0)), body(72, 1), body(128, 1)].map((each) => {
                return { name, body: each };
            });
        });
}

/** What the message took out of the account, its rent aside, in nanoTON; negative when it left something. */
function taken(result: SendMessageResult, to: { address: Parameters<typeof transactionsOn>[1] }): bigint {
    const [tx] = transactionsOn(result, to.address);
    return drawnFrom(tx) - rentOf(tx);
}

describe('A stranger with every message of a contract', () => {
    const market = useMarket();

    it.each([
        ['an escrow', 0xc0c004],
        ['a channel', 0xc0c005],
    ])('takes nothing out of %s', async (what, part) => {
        const { channel } = await market().openJob();
        const to = what === 'an escrow' ? market().escrow : channel;
        const open = market().blockchain.snapshot();
        const messages = messagesOf(part);
        expect(messages.length).toBeGreaterThan(40);

        for (const { name, body } of messages) {
            await market().blockchain.loadFrom(open);
            const result = await market().send(market().stranger, to, { value: VALUE, body });
            expect({ name, nothing: taken(result, to) <= 0n }).toEqual({ name, nothing: true });
        }
    });
});

describe('The governor with every message of a contract', () => {
    it('takes nothing out of a provider or a node, slots that may go home included, and changes neither', async () => {
        const { blockchain, governor, owner, provider, node } = await nodeMarket();
        for (let slot = 0; slot < 2; slot++) {
            await provider.sendUnbond(owner.getSender(), { value: VALUE, amount: toNano('10') });
        }
        blockchain.now! += 30 * DAY;

        for (const [to, part] of [
            [provider, 0xc0c002],
            [node, 0xc0c003],
        ] as const) {
            for (const { name, body } of messagesOf(part).filter((each) => each.name !== 'AddStake')) {
                const message = internal({ from: governor.address, to: to.address, value: VALUE, body });
                const result = await blockchain.sendMessage(message);
                const [{ oldStorage, newStorage }] = transactionsOn(result, to.address);
                const same = oldStorage?.equals(newStorage!);
                expect({ name, nothing: taken(result, to) <= 0n, same }).toEqual({ name, nothing: true, same: true });
            }
        }
    });
});
