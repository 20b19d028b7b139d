/**
 * The bounds of rules, so that a mistake is found before it is sent. They are those of contracts/protocol/params.tact
 * and fees.tact; tests/registry/bounds.spec.ts compares them.
 */
import type { Address } from '@ton/core';
import * as constants from '../build/Registry/Registry_Registry';
import { type ChainPrices, computeFee, forwardFee, type Prices, type Size, storageFee, YEAR } from './prices';
import { gas } from './protocol';

/** Times in seconds, amounts in nanoTON. */
export const ruleBounds = {
    minWindow: Number(constants.MinWindow),
    maxWindow: Number(constants.MaxWindow),
    maxUnbonding: Number(constants.MaxUnbonding),
    maxPayoutDelay: Number(constants.MaxPayoutDelay),
    maxBaseStake: constants.MaxBaseStake, // of a rate too
    gpuClasses: Number(constants.GpuClasses),
    maxMembers: Number(constants.MaxCommittee),
    membersPerCell: Number(constants.KeysPerCell),
    maxCodeVersions: Number(constants.MaxCodeVersions), // of each kind
} as const;

/** Bounds of what a node says of itself; texts in bytes. */
export const listingBounds = {
    maxOffers: Number(constants.MaxOffers),
    maxText: { model: 32, region: 16, endpoint: Number(constants.MaxEndpointBytes) },
} as const;

/**
 * nanoTON to attach to a RegisterNode with this body, of a Provider that has just joined: what its
 * `getRegisterNodeValue` says then. Before that there is no account to ask.
 */
export function registerNodeValue(basechain: ChainPrices, body: Size): bigint {
    const forward = (cells: bigint, bits: bigint) => forwardFee(basechain, { cells, bits });
    const rent = (cells: bigint, bits: bigint) => storageFee(basechain, { cells, bits }, YEAR);
    const runs = gas.GasRegisterNode + gas.GasStartNode + gas.GasAnnounceSelf + gas.GasShareFreed;
    const toNode = forwardFee(basechain, body) + forward(constants.NodeDataCells, constants.NodeDataBits);
    const toRegistry = forward(constants.ListingCells, constants.ListingBits); // and as much for the event
    const fees = computeFee(basechain, runs) + toNode + 2n * toRegistry + forward(0n, constants.ExcessesBits);
    const reserves =
        rent(constants.NodeCells, constants.NodeBits) + rent(constants.ProviderCells, constants.ProviderBits);
    return fees + reserves;
}

/**
 * nanoTON to attach to a SetUp of this owner besides the deposit: what `getSetUpValue` of the escrow says once it
 * exists.
 */
export function setUpValue({ basechain, masterchain }: Prices, owner: Address): bigint {
    // The rest of the value comes back to the owner, whose chain decides the price of that message.
    const wayBack = owner.workChain === 0 ? basechain : masterchain;
    return computeFee(basechain, gas.GasSetUp) + forwardFee(wayBack, { cells: 0n, bits: constants.ExcessesBits });
}

/** The minimum of a slash in nanoTON, six times the cost of a report. No GPU class may require less stake. */
export function minSlash({ basechain }: Pick<Prices, 'basechain'>): bigint {
    const forward = (cells: bigint, bits: bigint) => forwardFee(basechain, { cells, bits });
    const rent = (cells: bigint, bits: bigint, seconds: number) => storageFee(basechain, { cells, bits }, seconds);
    const caseLife = Number(constants.CaseLife);
    const plain = forward(0n, 0n);
    const home = forward(0n, constants.ExcessesBits);
    const rentWeek = rent(constants.ProviderCells, constants.ProviderBits, YEAR) / 52n;
    const caseRent = rent(constants.NodeCells, constants.NodeBits, 2 * caseLife);
    const disputeRent = rent(constants.DisputeCells, constants.DisputeBits, caseLife);
    const carried = forward(constants.DisputeCells, constants.DisputeBits);
    const fault = forward(constants.FaultCells + 1n, constants.FaultBits + constants.CaseBits);
    const ofCase = forward(
        constants.FaultCells + constants.CaseRulesCells + 1n,
        constants.FaultBits + constants.CaseRulesBits + constants.CaseBits,
    );
    const opening =
        computeFee(basechain, gas.GasFaultFound + gas.GasOpenCase) +
        rentWeek +
        2n * carried +
        fault +
        forward(0n, constants.CaseBits) + // the event of its opening
        ofCase +
        disputeRent;
    const settling =
        computeFee(basechain, gas.GasCaseClosed + gas.GasSlashShare + gas.GasShareSlashed) +
        2n * rentWeek +
        3n * ofCase +
        (3n * plain + forward(0n, constants.CaseBits)) +
        home;
    return 6n * (caseRent + computeFee(basechain, gas.GasReportTwice) + opening + settling + 2n * carried);
}
