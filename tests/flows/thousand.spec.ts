/** Nothing grows with its users: a thousand clients of one provider, the first and the last at the same price. */
import { Address, beginCell, Cell, external, Message, toNano } from '@ton/core';
import { Blockchain, internal } from '@ton/sandbox';
import {
    channelCode,
    channelInit,
    claimBody,
    Escrow,
    openJobsCell,
    opcodes,
    signedOrder,
    Voucher,
    voucherFor,
} from '@cocoon-market/wrappers';
import { createBlockchain, exitCodeOf, gasOf, START } from '../support/chain';
import { DAY, HOUR, NETWORK, spendKey, voucherKey } from '../support/market';

const CLIENTS = 1_000;
const DEPOSIT = toNano('1');

/** An account without code stands for a wallet: its messages are made by hand, and what it gets stays there. */
function accountOf(number: number): Address {
    const id = Buffer.alloc(32, 0xa0);
    id.writeUInt32BE(number);
    return new Address(0, id);
}

interface Client {
    escrow: Address;
    setUp: bigint; // gas
}

describe('A thousand clients of one provider', () => {
    const provider = accountOf(0);
    const clients: Client[] = [];
    let blockchain: Blockchain;
    let code: Cell;

    /**
     * One transaction, without what its messages cause elsewhere: its gas, and what it sent. Throws when it went wrong.
     */
    const run = async (to: Address, message: Message) => {
        const tx = await (await blockchain.getContract(to)).receiveMessage(message);
        if (exitCodeOf(tx) !== 0) {
            throw new Error(`${to.toString()} answered ${exitCodeOf(tx)}`);
        }
        return { gas: gasOf([tx]), sent: tx.outMessages.values() };
    };

    const setUp = (owner: Address, { address, init }: Escrow) => {
        const body = beginCell()
            .storeUint(opcodes.SetUp, 32)
            .storeUint(0, 64)
            .storeCoins(2n * DEPOSIT)
            .storeBuffer(spendKey.publicKey)
            .storeUint(DEPOSIT, 64)
            .storeUint(10n * DEPOSIT, 64)
            .storeMaybeRef(code)
            .endCell();
        const value = 3n * DEPOSIT;
        return run(address, internal({ from: owner, to: address, value, bounce: true, body, stateInit: init! }));
    };

    const claim = (channel: Address, cumulative: bigint, last: boolean) => {
        const signature = voucherKey.sign(Voucher.hash(voucherFor(NETWORK, channel, cumulative, 1)));
        const body = claimBody({ cumulative, count: 1, signature }, { last });
        return run(channel, internal({ from: provider, to: channel, value: toNano('0.05'), bounce: true, body }));
    };

    /** Deploys and sets up the escrow of one more client. */
    const arrive = async (number: number): Promise<Client> => {
        const owner = accountOf(number);
        const escrow = await Escrow.ofOwner(owner);
        const { gas } = await setUp(owner, escrow);
        return { escrow: escrow.address, setUp: gas };
    };

    /** The client's spend key opens a job with the provider: gas of the order, of the deploy, and the channel. */
    const open = async ({ escrow }: Client) => {
        const terms = { end: START + 30 * DAY, notice: HOUR, voucherKey: voucherKey.publicKey, payout: provider.hash };
        const head = { network: NETWORK, escrow, seqno: 0, validUntil: START + 60 };
        const order = signedOrder(openJobsCell({ ...head, jobs: [{ ...terms, deposit: DEPOSIT }] }), spendKey);
        const channel = channelInit(escrow, { ...terms, job: 0 }, code).address;

        const ordered = await run(escrow, external({ to: escrow, body: order }));
        const deployed = await run(channel, ordered.sent[0]);
        return { channel, gas: [ordered.gas, deployed.gas] };
    };

    beforeAll(async () => {
        blockchain = await createBlockchain();
        blockchain.recordStorage = false;
        code = await channelCode();
        for (let number = 1; number <= CLIENTS; number++) {
            clients.push(await arrive(number));
        }
    });

    it('cost the same gas to set up: the thousandth, the first and all between', () => {
        expect(new Set(clients.map(({ escrow }) => escrow.toString())).size).toBe(CLIENTS);
        expect(new Set(clients.map(({ setUp: gas }) => gas)).size).toBe(1);
        expect(clients[0].setUp).toBeGreaterThan(5_000n);
    });

    it('cost the same gas to open a job, to claim from it and to end it: a hundred of them, the thousandth among them', async () => {
        const some = clients.filter((_, i) => i % 10 === 9);
        const opened = [];
        for (const client of [clients[0], ...some]) {
            opened.push(await open(client));
        }
        const costs: string[] = [];
        for (const { channel, gas } of opened) {
            const [claimed, ended] = [await claim(channel, 1n, false), await claim(channel, 2n, true)];
            costs.push([...gas, claimed.gas, ended.gas].join(' '));
        }

        expect(some[99]).toBe(clients[CLIENTS - 1]);
        expect(new Set(costs).size).toBe(1);
    });
});
