/** What a command sends of a wallet, if an endpoint says after the question that a message has to bring more. */
import { Address, toNano } from '@ton/core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Chain } from '../../offchain/chain';
import { HotWallet } from '../../offchain/chain';
import { send } from '../../offchain/cli/actor';

const to = new Address(0, Buffer.alloc(32));
const folder = mkdtempSync(join(tmpdir(), 'cocoon-agreed-'));
const wallet = join(folder, 'wallet.key');

beforeAll(() => writeFileSync(wallet, '11'.repeat(32), { mode: 0o600 }));
afterAll(() => rmSync(folder, { recursive: true }));

describe('A command', () => {
    it.each([
        ['what the user agreed to', '0.1', ['0.1']],
        ['a little more, for rent', '0.109', ['0.109']],
        ['nothing, if it is all that the wallet has', '1000', []],
    ])('sends %s', async (_, asked, expected) => {
        const sent: bigint[] = [];
        const carry = jest.spyOn(HotWallet.prototype, 'send').mockImplementation(async ([{ value }]) => {
            sent.push(value);
        });
        const account = async () => ({ balance: toNano('2000') });
        const chain = { network: -3, account, as: () => chain } as unknown as Chain;

        const work = send(chain, { config: '', wallet, yes: true }, toNano('0.1'), ({ sender }) =>
            sender.send({ to, value: toNano(asked) }),
        );
        const refusal = await work.then(
            () => '',
            (error: Error) => error.message,
        );
        carry.mockRestore();

        expect(sent).toEqual(expected.map((amount) => toNano(amount)));
        expect(refusal).toBe(
            expected.length > 0
                ? ''
                : 'The chain now asks for more than the 0.1 TON that you agreed to: nothing was sent',
        );
    });
});
