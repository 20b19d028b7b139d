/** Who may send what to a Node, as docs/contracts/node.md and docs/contracts/dispute.md say. */
import { ByState, ContractTable, NO_EXTERNAL, OTHER, Row } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };
const provider = (outcome: ByState): Row => ({ ...external, Provider: outcome, '*': 'ErrNotProvider' });
const change = provider({ 'open, case': 'ok → Registry', '*': 'ErrWrongState' });
const report = {
    ...external,
    'twin, Library': {
        new: 'ErrWrongState',
        clearable: 'ErrExpired',
        refused: 'ErrUnknownKey',
        '*': 'ErrNotBasechain',
    },
    '*': { new: 'ErrWrongState', clearable: 'ErrExpired', refused: 'ErrUnknownKey', '*': 'ok → Provider' },
};

export const node: ContractTable = {
    contract: 'Node',
    page: 'node.md',
    states: {
        new: 'deployed by a stranger, not started',
        open: 'listed, with a receipt key',
        case: 'open, and a demand of it waits for its answer',
        closed: 'closed, and liable for what its keys signed',
        clearable: 'closed, and its hold is over',
        refused: 'closed by itself, because the Registry was paused when it started',
    },
    rows: {
        StartNode: provider({ new: 'ok → Registry', '*': 'ErrWrongState' }),
        'ApplyChange: SetOffers': change,
        'ApplyChange: SetService': change,
        'ApplyChange: SetKeys': change,
        'ApplyChange: SetKeys by the operator': provider({
            'open, case': 'ErrNotOwner',
            '*': 'ErrWrongState',
        }),
        'ApplyChange: EndKey': change,
        'ApplyChange: SetAttestation': change,
        'ApplyChange: SetHardware': provider({ 'open, case': 'ErrUnknownChange', '*': 'ErrWrongState' }),
        ApplyHardware: provider({ 'open, case': 'ok → Provider', '*': 'ErrWrongState' }),
        StopNode: provider({ 'open, case': 'ok → Provider', '*': 'ErrWrongState' }),
        ClearNode: {
            ...external,
            '*': { closed: 'ErrTooEarly', 'clearable, refused': 'ok → owner, sender', '*': 'ErrWrongState' },
        },
        ReportTwice: report,
        ReportExcess: report,
        DemandAnswer: report,
        ReportWrong: report,
        SlashShare: provider({ new: 'ErrWrongState', '*': 'ok → Provider' }),
        ReleaseShare: provider({ new: 'ErrWrongState', '*': 'ok → Provider' }),
        'no body': { ...external, '*': 'ok' },
        'an empty comment': { ...external, '*': 'ok' },
        'a comment': { ...external, '*': '130' },
        'bounce of AnnounceSelf: a new node': {
            Registry: { new: 'never', 'open, case': 'ok → Provider', '*': 'ok → owner' },
            '*': 'never',
        },
        'bounce of AnnounceSelf: a change': { Registry: { new: 'never', '*': 'ok → owner' }, '*': 'never' },
        'bounce of ShareFreed': { Provider: { new: 'never', '*': 'ok → owner' }, '*': 'never' },
        [OTHER]: { ...external, '*': '130' },
    },
};
