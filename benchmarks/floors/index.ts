/** The gas of contracts that do only what a step of an operation cannot do without, and the ratio of ours to theirs. */
import { Address, beginCell, Cell, contractAddress, external, toNano } from '@ton/core';
import { Blockchain, createShardAccount, internal } from '@ton/sandbox';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Voucher } from '@cocoon-market/wrappers';
import { createBlockchain, exitCodeOf, gasOf, START, transactionsOn } from '../../tests/support/chain';
import { DAY, NETWORK, testKey, voucherKey } from '../../tests/support/market';

const BUILT = join(__dirname, '..', '..', 'build', 'floors');
const VALUE = toNano('0.1');
const BALANCE = toNano('10');
export const OWED = toNano('0.4'); // that a claim's voucher says
const NOBODY = new Address(0, Buffer.alloc(32, 7));
const ASKER = new Address(0, Buffer.alloc(32, 9));
const key = testKey(1);

/** What a bare contract is given, and how many messages it then sends. */
interface Scene {
    file: 'Payments' | 'Steps';
    code?: string; // the contract's name, where it is not the scene's
    data?: Cell;
    body: (self: Address) => Cell;
    from?: Address | 'outside';
    sends: number;
}

const payee = beginCell().storeBuffer(voucherKey.publicKey, 32).storeAddress(ASKER);
const remembering = beginCell().storeUint(0, 64).storeBuilder(payee).endCell();
const owned = beginCell().storeAddress(ASKER).storeUint(0, 64).endCell();
const dated = beginCell().storeUint(START, 32).storeAddress(ASKER).endCell();
const amount = beginCell().storeUint(OWED, 64).endCell();
const account = beginCell().storeBuffer(NOBODY.hash, 32).endCell();
const channel = beginCell().storeUint(0, 32).endCell();
const ordering = beginCell().storeUint(0, 32).storeBuffer(key.publicKey, 32).storeRef(channel).endCell();

/** Whatever is announced, deployed or stored: as large as a change of one price. */
const what = beginCell().storeUint(0, 640);

const claim = (self: Address) => {
    const voucher = { network: NETWORK, channel: self.hash, cumulative: OWED, count: 1 };
    const signature = voucherKey.sign(Voucher.hash(voucher));
    return beginCell().storeUint(OWED, 64).storeUint(1, 32).storeBuffer(signature).endCell();
};

const signed = (order: Cell) => () => beginCell().storeBuffer(key.sign(order.hash())).storeRef(order).endCell();

const job = beginCell()
    .storeUint(OWED, 64)
    .storeUint(START + DAY, 32)
    .storeUint(DAY, 32)
    .storeBuffer(voucherKey.publicKey)
    .storeBuffer(NOBODY.hash)
    .endCell();

const opening = (jobs: number): Scene => ({
    file: 'Payments',
    code: 'Open',
    data: ordering,
    body: signed(
        Array<Cell>(jobs)
            .fill(job)
            .reduce((order, each) => order.storeRef(each), beginCell().storeUint(0, 32))
            .endCell(),
    ),
    from: 'outside',
    sends: jobs,
});

const announcing = { code: Cell.EMPTY, data: beginCell().storeUint(1, 8).endCell() };

const scenes = {
    Take: { file: 'Payments', body: () => Cell.EMPTY, sends: 0 },
    Claim: { file: 'Payments', data: remembering, body: claim, sends: 1 },
    ClaimFor: { file: 'Payments', data: remembering, body: claim, sends: 2 },
    End: {
        file: 'Payments',
        data: beginCell().storeBuilder(payee).storeAddress(NOBODY).endCell(),
        body: claim,
        sends: 2,
    },
    Refund: { file: 'Payments', data: dated, body: () => Cell.EMPTY, sends: 2 },
    Leave: { file: 'Payments', data: dated, body: () => Cell.EMPTY, sends: 0 },
    Order: {
        file: 'Payments',
        data: ordering,
        body: signed(beginCell().storeUint(0, 32).storeBuffer(NOBODY.hash).endCell()),
        from: 'outside',
        sends: 1,
    },
    Send: { file: 'Steps', data: owned, body: () => amount, sends: 1 },
    Pass: { file: 'Steps', data: owned, body: () => account, sends: 2 },
    Save: { file: 'Steps', data: owned, body: () => amount, sends: 1 },
    Tell: { file: 'Steps', data: owned, body: () => what.endCell(), sends: 2 },
    Event: { file: 'Steps', body: () => what.endCell(), sends: 2 },
    Announce: {
        file: 'Steps',
        data: announcing.code,
        from: contractAddress(0, announcing),
        body: () => beginCell().storeBuilder(what).storeRef(announcing.data).endCell(),
        sends: 2,
    },
    Deploy: {
        file: 'Steps',
        data: owned,
        body: () => beginCell().storeBuilder(what).storeRef(Cell.EMPTY).storeRef(channel).endCell(),
        sends: 1,
    },
    Open1: opening(1),
    Open2: opening(2),
    Open3: opening(3),
    Open4: opening(4),
} satisfies Record<string, Scene>;

/** A step of an operation's chain; `Open2` opens two jobs in one order. */
export type Floor = keyof typeof scenes;

/** Code, first data and address of a floor. */
export function accountOfFloor(name: Floor): { code: Cell; data: Cell; address: Address } {
    const { file, code: contract = name, data = Cell.EMPTY }: Scene = scenes[name];
    const code = Cell.fromBoc(readFileSync(join(BUILT, file, `${file}_Bare${contract}.code.boc`)))[0];
    return { code, data, address: contractAddress(0, { code, data }) };
}

/** Runs a floor; `change` makes another body of its own. Throws when it does not do what it is there for. */
export async function gasOfFloor(
    blockchain: Blockchain,
    name: Floor,
    change: (body: Cell) => Cell = (body) => body,
): Promise<bigint> {
    const { from = ASKER, ...scene }: Scene = scenes[name];
    const { code, data, address } = accountOfFloor(name);
    const bare = createShardAccount({ address, code, data, balance: BALANCE, workchain: 0 });
    await blockchain.setShardAccount(address, bare);
    const body = change(scene.body(address));
    const message =
        from === 'outside' ? external({ to: address, body }) : internal({ from, to: address, value: VALUE, body });
    const [tx] = transactionsOn(await blockchain.sendMessage(message), address);
    if (exitCodeOf(tx) !== 0 || tx.outMessages.size !== scene.sends) {
        throw new Error(
            `Bare${scene.code ?? name} ended with ${exitCodeOf(tx)} and sent ${tx.outMessages.size} messages`,
        );
    }
    return gasOf([tx]);
}

/** Gas units of every floor; the same at every price level. */
export async function measureFloors(): Promise<Record<Floor, bigint>> {
    const blockchain = await createBlockchain();
    const floors: Partial<Record<Floor, bigint>> = {};
    for (const name of Object.keys(scenes) as Floor[]) {
        floors[name] = await gasOfFloor(blockchain, name);
    }
    return floors as Record<Floor, bigint>;
}
