/** Which nodes of an interrupted run are waited for before a fleet is compared with the chain. */
import { Node, type ProviderState } from '@cocoon-market/wrappers';
import { Address, type OpenedContract } from '@ton/core';
import type { Provider } from '@cocoon-market/wrappers';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { forgetOrders, keepRegistrations, waitForRegistrations } from '../../scripting/fleetOrders';
import type { ScriptSession } from '../../scripting/session';

const at = new Address(0, Buffer.alloc(32, 7));

/** A network that shows one more of these with each look: a Provider that counts, then the accounts of its nodes. */
function networkOf(numbers: readonly bigint[], nodesAfter: number) {
    const looks = { provider: 0, nodes: 0 };
    const session = {
        network: { name: 'testnet' },
        patience: { every: 1, within: 1000 },
        account: async (address: Address) => {
            const known = await Promise.all([0, 1].map((number) => Node.ofProvider(at, number)));
            expect(known.some((node) => node.address.equals(address))).toBe(true);
            return { active: ++looks.nodes > nodesAfter };
        },
    } as unknown as ScriptSession;
    const stateAt = (look: number) => ({ nextNumber: numbers[Math.min(look, numbers.length - 1)] }) as ProviderState;
    const provider = { getProviderState: async () => stateAt(looks.provider++) } as OpenedContract<Provider>;
    return { session, looks, opened: { at, provider, state: stateAt(0) } };
}

describe('A fleet that is applied again after an interruption', () => {
    it('is compared only once the accounts of all nodes that were being registered are there', async () => {
        const { session, opened, looks } = networkOf([0n, 1n, 2n], 3);
        keepRegistrations(session, opened, 2);

        const said = jest.spyOn(console, 'log').mockImplementation(() => undefined);
        await waitForRegistrations(session, opened);
        forgetOrders(session, { opened });

        expect(said.mock.calls).toEqual([['Waiting for the nodes that an earlier run registers']]);
        said.mockRestore();
        expect(opened.state.nextNumber).toBe(2n);
        expect(looks.nodes).toBe(5); // three times nothing, then both
    });

    it('is not compared while it cannot be read which nodes an earlier run registers', async () => {
        const { session, opened } = networkOf([0n], 0);
        keepRegistrations(session, opened, 2);
        const note = join('temp', 'testnet', `fleet-${at.hash.toString('hex')}.json`);
        writeFileSync(note, '{');

        await expect(waitForRegistrations(session, opened)).rejects.toThrow(`${note} names nodes that`);
        forgetOrders(session, { opened });
    });

    it('is compared at once when nothing is on its way', async () => {
        const { session, opened, looks } = networkOf([2n], 0);

        await waitForRegistrations(session, opened);

        expect(looks).toEqual({ provider: 0, nodes: 0 });
    });
});
