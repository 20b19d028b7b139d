/** A change that waits in the Registry, read back from its cell. */
import { beginCell, Cell } from '@ton/core';
import {
    loadAddCode,
    loadReplaceCommittee,
    loadReplaceRules,
    storeCommittee,
} from '../build/Registry/Registry_Registry';
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
            return { kind: 'rules', rules: rulesOf(loadReplaceRules(slice).rules) };
        case opcodes.AddCode: {
            const added = loadAddCode(slice);
            const of = codeKindNames.find((name) => codeKinds[name] === Number(added.kind));
            return { kind: 'code', of: of!, hash: added.code.hash, depth: Number(added.code.depth) };
        }
        case opcodes.ReplaceCommittee: {
            const { committee } = loadReplaceCommittee(slice);
            const stored = beginCell().store(storeCommittee(committee)).endCell();
            return { kind: 'committee', committee: parseCommittee(stored) };
        }
        default:
            throw new Error('This cell is not a change of a registry');
    }
}
