/**
 * The bounds of rules, so that a mistake is found before it is sent. They are those of contracts/protocol/params.tact
 * and fees.tact; tests/registry/bounds.spec.ts compares them.
 */
import {
    CaseBits,
    CaseLife,
    CaseRulesBits,
    CaseRulesCells,
    DisputeBits,
    DisputeCells,
    ExcessesBits,
    FaultBits,
    FaultCells,
    GpuClasses,
    KeysPerCell,
    MaxBaseStake,
    MaxCodeVersions,
    MaxCommittee,
    MaxEndpointBytes,
    MaxOffers,
    MaxPayoutDelay,
    MaxUnbonding,
    MaxWindow,
    MinWindow,
    NodeBits,
    NodeCells,
    ProviderBits,
    ProviderCells,
} from '../build/Registry/Registry_Registry';
import { computeFee, forwardFee, type Prices, storageFee, YEAR } from './prices';
import { gas } from './protocol';

/** Times in seconds, amounts in nanoTON. */
export const ruleBounds = {
    minWindow: Number(MinWindow),
    maxWindow: Number(MaxWindow),
    maxUnbonding: Number(MaxUnbonding),
    maxPayoutDelay: Number(MaxPayoutDelay),
    maxBaseStake: MaxBaseStake, // of a rate too
    gpuClasses: Number(GpuClasses),
    maxMembers: Number(MaxCommittee),
    membersPerCell: Number(KeysPerCell),
    maxCodeVersions: Number(MaxCodeVersions), // of each kind
} as const;

/** Bounds of what a node says of itself; texts in bytes. */
export const listingBounds = {
    maxOffers: Number(MaxOffers),
    maxText: { model: 32, region: 16, endpoint: Number(MaxEndpointBytes) },
} as const;

/** The minimum of a slash in nanoTON, six times the cost of a report. No GPU class may require less stake. */
export function minSlash({ basechain }: Pick<Prices, 'basechain'>): bigint {
    const forward = (cells: bigint, bits: bigint) => forwardFee(basechain, { cells, bits });
    const plain = forward(0n, 0n);
    const home = forward(0n, ExcessesBits);
    const rentWeek = storageFee(basechain, { cells: ProviderCells, bits: ProviderBits }, YEAR) / 52n;
    const caseRent = storageFee(basechain, { cells: NodeCells, bits: NodeBits }, 2 * Number(CaseLife));
    const disputeRent = storageFee(basechain, { cells: DisputeCells, bits: DisputeBits }, Number(CaseLife));
    const carried = forward(DisputeCells, DisputeBits);
    const fault = forward(FaultCells + 1n, FaultBits + CaseBits);
    const ofCase = forward(FaultCells + CaseRulesCells + 1n, FaultBits + CaseRulesBits + CaseBits);
    const opening =
        computeFee(basechain, gas.GasFaultFound + gas.GasOpenCase) +
        rentWeek +
        2n * carried +
        fault +
        forward(0n, CaseBits) + // the event of its opening
        ofCase +
        disputeRent;
    const settling =
        computeFee(basechain, gas.GasCaseClosed + gas.GasSlashShare + gas.GasShareSlashed) +
        2n * rentWeek +
        3n * ofCase +
        (3n * plain + forward(0n, CaseBits)) +
        home;
    return 6n * (caseRent + computeFee(basechain, gas.GasReportTwice) + opening + settling + 2n * carried);
}
