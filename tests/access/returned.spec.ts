/**
 * Messages that name an account to which nothing can be sent change nothing and come back, and those from the account
 * of which no bit is set are taken like any other.
 */
import { Escrow, forwardFee, pricesOf, Provider, Registry } from '@cocoon-market/wrappers';
import { Address, beginCell, BitString, Cell, toNano } from '@ton/core';
import { createBlockchain } from '../support/chain';
import { withoutBasechain } from '../support/networks';
import { bodyWith } from '../support/schema';
import { STAKE } from '../support/stake';
import { Accounts, castOf } from './cast';
import { disputeScenes } from './disputeScenes';
import { nodeScenes } from './nodeScenes';
import { named, NAMES } from './play';
import { providerScenes } from './providerScenes';
import { registryScenes } from './registryScenes';
import { NOT_SENT, withSmallValues } from './returned';
import { Stage, Trial } from './run';
import { bodyFor, scene, Scene } from './scene';
import { SenderKind } from './table';

/** An account in a workchain that the network does not have. */
const NOWHERE = new Address(1, Buffer.alloc(32, 7));
const ZERO = new Address(0, Buffer.alloc(32));

const trial = (message: string, sender: SenderKind, from: Address, body: Cell): Trial => ({
    ...{ message, sender, from, body, state: '', outcome: '', named: true, known: true, bounced: false },
});

/** What becomes of the message of a scene, or of another body for it. */
async function outcomeIn(
    made: Scene,
    message: string,
    sender: SenderKind,
    { from = made.accounts[sender]!, body = bodyFor(made, message) }: { from?: Address; body?: Cell } = {},
): Promise<string> {
    return (await Stage.of(made)).outcomeOf(trial(message, sender, from, body));
}

/** The cells with another address wherever this one stands. */
function readdressed(cell: Cell, from: Address, to: Address): Cell {
    const bits = (address: Address) => textOf(beginCell().storeAddress(address).endCell().bits);
    const text = textOf(cell.bits).replaceAll(bits(from), bits(to));
    const builder = beginCell();
    [...text].forEach((bit) => builder.storeBit(bit === '1'));
    return cell.refs.reduce((b, each) => b.storeRef(readdressed(each, from, to)), builder).endCell();
}

const textOf = (bits: BitString) => Array.from({ length: bits.length }, (_, i) => (bits.at(i) ? '1' : '0')).join('');

describe('A message that makes a contract send to a workchain that is not there changes nothing and comes back', () => {
    it('to the Registry: an announcement whose rest goes there', async () => {
        const made = await registryScenes.running();
        const { owner } = made.accounts as Required<Accounts>;
        const body = bodyWith('AnnounceNode', { ...named, owner, excessTo: NOWHERE, content: Cell.EMPTY });

        expect(await outcomeIn(made, 'AnnounceNode', 'Provider', { body })).toBe(NOT_SENT);
    });

    it('to a Provider: a node that was refused, whose rest goes there', async () => {
        const made = await providerScenes.joined();
        const body = bodyWith('ShareFreed', { ...named, closed: true, excessTo: NOWHERE });

        expect(await outcomeIn(made, 'ShareFreed', 'Node', { body })).toBe(NOT_SENT);
    });

    it.each(['insurance', 'reporter'] as const)('to a Provider: a slash whose %s is there', async (name) => {
        const made = await providerScenes.case();
        const body = readdressed(bodyFor(made, 'ShareSlashed'), made.accounts[name]!, NOWHERE);

        expect(await outcomeIn(made, 'ShareSlashed', 'Node', { body })).toBe(NOT_SENT);
    });

    it('to a Dispute: a case whose reporter is there', async () => {
        const made = await disputeScenes.new();
        const body = readdressed(bodyFor(made, 'OpenCase'), made.accounts.reporter!, NOWHERE);

        expect(await outcomeIn(made, 'OpenCase', 'Provider', { body })).toBe(NOT_SENT);
    });

    it('to an Escrow: a leave, where the basechain takes no message', async () => {
        const blockchain = await createBlockchain();
        const escrow = await Escrow.ofOwner(NOWHERE);
        const stranger = await blockchain.treasury('stranger');
        await stranger.send({ to: escrow.address, value: toNano('1'), init: escrow.init, bounce: false });
        const bodies = { LeaveJob: bodyWith('LeaveJob', { channel: 1n }) };
        const made = scene({ blockchain, account: escrow.address, accounts: { client: NOWHERE }, bodies });

        const stage = await Stage.of(made);
        const outcome = await stage.on(withoutBasechain, () => outcomeIn(made, 'LeaveJob', 'client'));
        expect(outcome).toBe(NOT_SENT);
    });
});

it('A slash that a Provider cannot pay out, because it keeps rent of its value, changes nothing and comes back', async () => {
    const made = await providerScenes.poor();
    const stage = await Stage.of(made);
    const prices = pricesOf(made.blockchain.config);
    const provider = made.blockchain.openContract(new Provider(made.account));
    const week = (await provider.getProviderState()).reserve / 52n;
    const slash = trial('ShareSlashed', 'Node', made.accounts.Node!, bodyFor(made, 'ShareSlashed'));
    const [{ value: least }] = withSmallValues(slash, await stage.receive(slash), prices);
    const message = forwardFee(prices.basechain, { cells: 0n, bits: 0n });

    for (let value = least!; value < least! + week; value += message / 4n) {
        expect(await stage.outcomeOf({ ...slash, value })).toBe('37');
    }
});

it('A case whose bond and rent the message does not bring changes nothing and comes back', async () => {
    const made = await disputeScenes.new();
    (await made.blockchain.getContract(made.account)).balance = 0n;
    const stage = await Stage.of(made);
    const opens = trial('OpenCase', 'Provider', made.accounts.Provider!, bodyFor(made, 'OpenCase'));
    const tx = await stage.receive(opens);

    for (const each of withSmallValues(opens, tx, pricesOf(made.blockchain.config))) {
        expect(await stage.outcomeOf(each)).toBe('37');
    }
});

describe('The account of which no bit is set', () => {
    it('reports a fault like any other', async () => {
        expect(await outcomeIn(await nodeScenes.open(), 'DemandAnswer', 'stranger', { from: ZERO })).toBe(
            'ok → Provider',
        );
    });

    it('has a case decided like any other', async () => {
        const outcome = await outcomeIn(await disputeScenes.unanswered(), 'DecideCase', 'stranger', { from: ZERO });

        expect(outcome).toBe('ok → Provider, reporter');
    });

    it('announces a demand for no more than any other', async () => {
        const made = await registryScenes.running();
        const registry = made.blockchain.openContract(new Registry(made.account));
        const value = await registry.getAnnounceDemandValue(false);
        const stage = await Stage.of(made);

        const demand = trial('AnnounceDemand', 'stranger', ZERO, bodyFor(made, 'AnnounceDemand'));
        expect(await stage.outcomeOf({ ...demand, value })).toBe('ok → sender');
    });

    it('joins the market like any other', async () => {
        const launched = await providerScenes.new();
        const { blockchain } = launched;
        const cast = await castOf(blockchain, NAMES);
        const provider = await Provider.ofOwner(cast.accounts.Registry!, ZERO);
        await cast.wallets.stranger.send({
            ...{ to: provider.address, value: toNano('1'), init: provider.init, bounce: false },
        });
        const made = scene({ ...launched, account: provider.address });
        const body = bodyWith('Join', { stake: STAKE, payout: ZERO });

        const stage = await Stage.of(made);
        const join = trial('Join', 'owner', ZERO, body);
        expect(await stage.outcomeOf({ ...join, value: STAKE + toNano('10') })).toBe('ok → Registry');
    });
});
