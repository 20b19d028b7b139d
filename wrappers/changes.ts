/** A change that waits in the Registry, read back from its cell. */
import { Cell } from '@ton/core';
import * as tact from '../build/Registry/Registry_Registry';
import { toCell } from './cells';
import { CodeKind, codeKindNames, codeKinds, Committee, parseCommittee, Rules, rulesOf } from './Registry';
import { opcodes } from './protocol';

export type RegistryChange =
    | { kind: 'rules'; rules: Rules }
    | { kind: 'code'; of: CodeKind; hash: bigint; depth: number } // both are needed to compute an address
    | { kind: 'committee'; committee: Committee };

/** The change in a cell of `registryChanges`. Throws if the cell is no change. */
export function parseChange(cell: Cell): RegistryChange {
    const slice = cell.beginParse();
    switch (slice.preloadUint(32)) {
        case opcodes.ReplaceRules:
            return { kind: 'rules', rules: rulesOf(tact.loadReplaceRules(slice).rules) };
        case opcodes.AddCode: {
            const added = tact.loadAddCode(slice);
            const of = codeKindNames.find((name) => codeKinds[name] === Number(added.kind));
            return { kind: 'code', of: of!, hash: added.code.hash, depth: Number(added.code.depth) };
        }
        case opcodes.ReplaceCommittee: {
            const { committee } = tact.loadReplaceCommittee(slice);
            return { kind: 'committee', committee: parseCommittee(toCell(tact.storeCommittee(committee))) };
        }
        default:
            throw new Error('This cell is not a change of a registry');
    }
}
