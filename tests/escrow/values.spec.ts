import { Address } from '@ton/core';
import {
    channelCode,
    computeFee,
    Escrow,
    forwardFee,
    gas,
    pricesOf,
    sizeOf,
    storageFee,
    YEAR,
} from '@cocoon-market/wrappers';
import { PriceLevel } from '../support/chain';
import { useMarket } from '../support/market';

const EXCESSES = { cells: 0n, bits: 96n }; // opcode and number of a query
const LEAVE = { cells: 0n, bits: 32n }; // opcode
const JOB = { cells: 2n, bits: 1640n }; // what an opening sends besides the code
const ORDER = { cells: 1n, bits: 320n }; // of each of four messages, on average

describe.each<PriceLevel>(['2025', '2026', 'tenfold'])('Escrow: values at the prices of %s', (prices) => {
    const market = useMarket({ prices });
    const chain = () => pricesOf(market().blockchain.config);

    /** The escrow of an owner of this chain, or of this address, who is named by its address alone. */
    const escrowOf = async (workchain: number, owner?: Address) => {
        const treasury = await market().blockchain.treasury('values', { workchain });
        const escrow = market().blockchain.openContract(await Escrow.ofOwner(owner ?? treasury.address));
        await treasury.send({ to: escrow.address, value: 10n ** 9n, init: escrow.init, bounce: false });
        return escrow;
    };

    it('of an order to open are a job more than it opens, each with its run and its messages', async () => {
        const { basechain } = chain();
        const { cells, bits } = sizeOf(await channelCode());
        const sent = { cells: cells + JOB.cells, bits: bits + JOB.bits };
        const job = computeFee(basechain, gas.GasOpenJob) + forwardFee(basechain, sent);

        expect(await market().escrow.getOpenFeeOf(1n)).toBe(2n * job);
        expect(await market().escrow.getOpenFeeOf(4n)).toBe(5n * job);
        expect(await market().escrow.getMinDeposit()).toBe(computeFee(basechain, gas.GasWholeJob));
    });

    it('of what stays is the rent of a year of the largest escrow', async () => {
        const largest = { cells: 75n, bits: 28_500n };

        expect(await market().escrow.getReserve()).toBe(storageFee(chain().basechain, largest, YEAR));
    });

    it('of an order about a job are both runs and four messages', async () => {
        const { basechain } = chain();
        const runs = computeFee(basechain, gas.GasJobOrder + gas.GasRefund);

        expect(await market().escrow.getJobOrderFeeOf()).toBe(runs + 4n * forwardFee(basechain, ORDER));
    });

    it.each([
        ['basechain', 0],
        ['masterchain', -1],
    ] as const)('of the owner in the %s are runs, messages and the way back there', async (name, workchain) => {
        const { basechain, [name]: home } = chain();
        const escrow = await escrowOf(workchain);
        const back = forwardFee(home, EXCESSES);
        const leave = forwardFee(basechain, LEAVE) + computeFee(basechain, gas.GasLeave);

        expect(await escrow.getSetUpValue()).toBe(computeFee(basechain, gas.GasSetUp) + back);
        expect(await escrow.getWithdrawValue()).toBe(computeFee(basechain, gas.GasWithdraw) + back);
        expect(await escrow.getLeaveJobValue()).toBe(computeFee(basechain, gas.GasLeaveJob) + leave + back);
    });

    it('of the owner whose account has no bit set are those of the basechain', async () => {
        const escrow = await escrowOf(0, new Address(0, Buffer.alloc(32)));

        const { basechain } = chain();
        const back = forwardFee(basechain, EXCESSES);
        expect(await escrow.getWithdrawValue()).toBe(computeFee(basechain, gas.GasWithdraw) + back);
    });
});
