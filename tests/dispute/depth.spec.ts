/** A code is its hash and its depth: an address is made of both, so a name that is half right is no name. */
import { beginCell, Cell, toNano } from '@ton/core';

import { adoptRules, UnknownCode } from '@cocoon-market/wrappers';
import { Actor } from '../../wrappers/actions/actor';
import { opcodes } from '../../wrappers/protocol';
import { codeKinds } from '../../wrappers/Registry';
import { caseMarket, expectNoSlash, report, useCases } from '../support/cases';
import { CHANGE_DELAY } from '../support/stake';

const VALUE = toNano('2');
const market = useCases(() => caseMarket());

/** Has the registry name the code that is there already, with a depth that is not its own. */
async function nameWrongly(kind: 'node' | 'dispute', code: Cell): Promise<void> {
    const { blockchain, registry, governor } = market();
    const change = beginCell()
        .storeUint(opcodes.AddCode, 32)
        .storeUint(codeKinds[kind], 8)
        .storeBuffer(code.hash())
        .storeUint(code.depth() + 1, 16)
        .endCell();
    await registry.sendProposeChange(governor.getSender(), { value: VALUE, change });
    blockchain.now! += CHANGE_DELAY;
    await registry.sendExecuteChange(governor.getSender(), { value: VALUE });
}

describe('A code of Disputes with the depth of another', () => {
    it('opens no case and freezes nothing: what was sent comes back', async () => {
        const { blockchain, provider, owner, stranger, job, codes } = market();
        await nameWrongly('dispute', codes.dispute);
        await provider.sendAdopt(owner.getSender(), { value: VALUE });
        blockchain.now! += 10;
        const body = job.report.demand(job.accept());
        const before = await stranger.getBalance();

        await expectNoSlash(market(), () => report(market(), 'demand', body));

        expect(await provider.getStanding()).toMatchObject({ frozen: 0n, cases: 0n, opened: 0n });
        expect(before - (await stranger.getBalance())).toBeLessThan(toNano('0.2'));
    });

    it.each(['node', 'dispute'] as const)(
        'or of nodes is not agreed to: an owner hears of the %s code',
        async (kind) => {
            const { blockchain, registry, provider, owner, codes } = market();
            await nameWrongly(kind, codes[kind]);
            const actor = { open: (contract) => blockchain.openContract(contract), sender: owner.getSender() } as Actor;

            const refused = await adoptRules(actor, {
                registry: registry.address,
                provider: provider.address,
            } as never).catch((error: unknown) => error);

            expect(refused).toBeInstanceOf(UnknownCode);
            expect(String(refused)).toContain(`of depth ${codes[kind].depth() + 1}`);
            expect((await provider.getProviderState()).rulesVersion).toBe(1n);
        },
    );
});
