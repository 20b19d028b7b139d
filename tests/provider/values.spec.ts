/** What the getters of Registry, Provider, Node and Dispute say is to be attached, to the nanoTON. */
import { computeFee, forwardFee, gas, pricesOf, storageFee, YEAR } from '@cocoon-market/wrappers';
import { caseMarket, report, useCases } from '../support/cases';
import { PriceLevel } from '../support/chain';
import { DAY } from '../support/stake';

type GasName = keyof typeof gas;

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('Values at the prices of %s', (prices) => {
    const market = useCases(() => caseMarket({ prices }));
    const chains = () => pricesOf(market().blockchain.config);

    const run = (...names: GasName[]) =>
        computeFee(
            chains().basechain,
            names.reduce((sum, name) => sum + gas[name], 0),
        );
    const message = (cells: number, bits: number) =>
        forwardFee(chains().basechain, { cells: BigInt(cells), bits: BigInt(bits) });
    const rent = (cells: number, bits: number, seconds: number) =>
        storageFee(chains().basechain, { cells: BigInt(cells), bits: BigInt(bits) }, seconds);

    // The largest code and data of each, and the largest messages.
    const providerRent = () => rent(270, 127_000, YEAR);
    const nodeRent = (seconds: number) => rent(220, 108_500, seconds);
    const disputeRent = () => rent(101, 49_800, 45 * DAY);
    const disputeCode = () => message(101, 49_800);
    const rules = () => message(31, 6_100);
    const announced = () => message(1, 800);
    const listed = () => message(12, 7_200);
    const back = () => message(0, 96);
    const empty = () => message(0, 0);

    // A case: its way to the Dispute, of a report that carries so much, and from there back.
    const caseEvent = () => message(0, 1_000);
    const caseMessage = () => message(10, 6_800);
    const week = () => providerRent() / 52n;
    const opening = (carried: bigint) =>
        run('GasFaultFound', 'GasOpenCase') +
        (week() + disputeRent() + carried + message(5, 3_800) + caseEvent() + carried + caseMessage());
    const settling = () =>
        run('GasCaseClosed', 'GasSlashShare', 'GasShareSlashed') +
        (2n * week() + 3n * caseMessage() + 3n * empty() + caseEvent() + back());
    const closing = () => run('GasCloseCase') + 2n * empty() + settling();
    const reporting = (name: GasName, carried: bigint) => run(name) + opening(carried) + settling();
    const demandBond = () => 4n * (2n * message(140, 140_000) + run('GasPostPiece')) + closing();

    it('are of a Provider what its messages cost, and a year of rent that is missing', async () => {
        const { blockchain, provider } = market();
        const { stake, unbonding } = await provider.getProviderState();
        const { balance } = await blockchain.getContract(provider.address);
        const needed = stake + unbonding + 2n * providerRent() - balance;
        const missing = needed > 0n ? needed : 0n;
        const [carried, order] = [message(7, 1_234), message(1, 900)];

        const { $$type: _, ...values } = await provider.getValuesOf(7n, 1_234n);

        const joining = ['GasJoin', 'GasRegisterProvider', 'GasRulesGiven'] as const;
        const registering = ['GasRegisterNode', 'GasStartNode', 'GasAnnounceSelf', 'GasShareFreed'] as const;
        const replacing = ['GasReplaceHardware', 'GasApplyHardware', 'GasShareFreed', 'GasAnnounceNode'] as const;
        expect(values).toEqual({
            join: missing + run(...joining) + 2n * announced() + rules() + back(),
            adopt: missing + run('GasAdopt', 'GasAskRules', 'GasRulesGiven') + announced() + rules() + back(),
            stakeStep: missing + run('GasStakeStep') + back(),
            registerNode:
                missing + (nodeRent(YEAR) + run(...registering) + carried + message(4, 2_600) + 2n * listed() + back()),
            changeNode:
                missing + run('GasChangeNode', 'GasApplyChange', 'GasAnnounceSelf') + 3n * (carried + order) + back(),
            replaceHardware: missing + run(...replacing) + 4n * (carried + order) + back(),
            closeNode:
                missing +
                run('GasCloseNode', 'GasStopNode', 'GasShareFreed', 'GasAnnounceNode') +
                (4n * message(2, 932) + back()),
        });
    });

    it('are of the Registry what joining and announcing cost', async () => {
        const { registry } = market();
        const home = forwardFee(chains().masterchain, { cells: 0n, bits: 96n });
        const announcing = run('GasAnnounceDemand') + announced();
        const joining = run('GasJoin', 'GasRegisterProvider', 'GasRulesGiven');

        expect(await registry.getJoinValue()).toBe(joining + 2n * announced() + rules() + back() + providerRent());
        expect(await registry.getAnnounceDemandValue(false)).toBe(announcing + back());
        expect(await registry.getAnnounceDemandValue(true)).toBe(announcing + home);
    });

    it('are of a Node what reports cost, with the rent of the longest case', async () => {
        const { blockchain, node } = market();
        const { balance } = await blockchain.getContract(node.address);
        const needed = nodeRent(90 * DAY) - balance;
        const missing = needed > 0n ? needed : 0n;
        const carried = message(9, 2_345) + 1n;
        const cost = nodeRent(90 * DAY) + disputeCode() + reporting('GasReportTwice', disputeCode()) + disputeCode();
        const opened = reporting('GasDemandAnswer', carried);

        const { $$type: _, wrong, wrongBond, ...values } = await node.getReportValues(8n, 2_345n);

        expect(values).toEqual({
            twice: missing + reporting('GasReportTwice', carried),
            excess: missing + reporting('GasReportExcess', carried),
            demand: missing + demandBond() + opened,
            demandBond: demandBond(),
            cost,
            minSlash: 6n * cost,
        });
        expect(wrong - wrongBond).toBe(missing + opened);
        expect(await node.getClearValue()).toBe(run('GasClearNode') + empty() + back());
        expect((await node.getNodeState()).reserve).toBe(nodeRent(YEAR));
    });

    it('are of a Dispute what the end of a case costs', async () => {
        const { job } = market();
        await report(market(), 'demand', job.report.demand(job.accept()));

        expect(await (await job.dispute('A3')).getCloseValue()).toBe(closing());
    });
});
