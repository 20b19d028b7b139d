/** Who may send what to the Registry, as docs/contracts/registry.md says. */
import { ContractTable, NO_EXTERNAL, OTHER } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };
const governor = (ok: Record<string, string> | string) => ({
    ...external,
    governor: ok,
    '*': 'ErrNotGovernor',
});

export const registry: ContractTable = {
    contract: 'Registry',
    page: 'registry.md',
    states: {
        new: 'deployed, before Launch',
        running: 'launched, no change waits',
        paused: 'no new providers and nodes',
        waiting: 'a change waits, and its time has not come',
        due: 'a change waits, and its time has come',
        succession: 'the governor has proposed a successor',
    },
    rows: {
        Launch: governor({ new: 'ok → sender', '*': 'ErrWrongState' }),
        RegisterProvider: {
            ...external,
            Provider: { new: 'ErrWrongState', paused: 'ErrPaused', '*': 'ok → sender' },
            '*': { new: 'ErrWrongState', paused: 'ErrPaused', '*': 'ErrNotProvider' },
        },
        AskRules: { ...external, '*': { new: 'ErrWrongState', '*': 'ok → sender' } },
        AnnounceNode: {
            ...external,
            Provider: { new: 'ErrWrongState', '*': 'ok → owner' },
            '*': { new: 'ErrWrongState', '*': 'ErrNotProvider' },
        },
        'AnnounceSelf: a new node': {
            ...external,
            Node: { new: 'ErrWrongState', paused: 'ErrPaused', '*': 'ok → owner' },
            '*': { new: 'ErrWrongState', paused: 'ErrPaused', '*': 'ErrNotNode' },
        },
        'AnnounceSelf: a change': {
            ...external,
            Node: { new: 'ErrWrongState', '*': 'ok → owner' },
            '*': { new: 'ErrWrongState', '*': 'ErrNotNode' },
        },
        AnnounceDemand: { ...external, '*': 'ok → sender' },
        TopUpRegistry: { ...external, '*': 'ok' },
        ProposeChange: governor({ 'new, waiting, due': 'ErrWrongState', '*': 'ok → sender' }),
        ExecuteChange: {
            ...external,
            '*': { waiting: 'ErrTooEarly', due: 'ok → sender', '*': 'ErrWrongState' },
        },
        CancelChange: governor({ 'waiting, due': 'ok → sender', '*': 'ErrWrongState' }),
        SetPaused: governor('ok → sender'),
        SetCatalogue: governor('ok → sender'),
        ProposeGovernor: governor('ok → sender'),
        AcceptGovernor: {
            ...external,
            successor: { succession: 'ok → sender', '*': 'ErrNotGovernor' },
            '*': 'ErrNotGovernor',
        },
        'no body': { ...external, '*': '130' },
        'an empty comment': { ...external, '*': '130' },
        'a comment': { ...external, '*': '130' },
        [OTHER]: { ...external, '*': '130' },
    },
};
