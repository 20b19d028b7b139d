/** Who may send what to a Provider, as docs/contracts/provider.md and docs/contracts/dispute.md say. */
import { ByState, ContractTable, NO_EXTERNAL, OTHER, Row } from './table';

const external = { 'spend key, another key': NO_EXTERNAL };
const UNJOINED = 'new, asked';

const owner = (outcome: ByState): Row => ({ ...external, owner: outcome, '*': 'ErrNotOwner' });
/** From the owner, once joined. */
const joinedOwner = (outcome: string, others: Record<string, string> = {}): Row =>
    owner({ [UNJOINED]: 'ErrWrongState', poor: 'ErrLowValue', ...others, '*': outcome });
/** From owner or operator, once joined; an account that has not joined has no operator. */
const members = (outcomes: { owner: Record<string, string>; operator: Record<string, string> }): Row => ({
    ...external,
    owner: { [UNJOINED]: 'ErrWrongState', ...outcomes.owner },
    operator: { new: 'ErrNotOperator', asked: 'ErrWrongState', ...outcomes.operator },
    '*': 'ErrNotOperator',
});
const passedOn = { poor: 'ErrLowValue', '*': 'ok → Node' };
const child = (kind: 'Node' | 'Dispute', outcome: Record<string, string>): Row => ({
    ...external,
    [kind]: { [UNJOINED]: 'ErrWrongState', ...outcome },
    '*': { [UNJOINED]: 'ErrWrongState', '*': kind === 'Node' ? 'ErrNotNode' : 'ErrNotDispute' },
});
const bounce = (from: string, outcome: ByState): Row => ({ [from]: outcome, '*': 'never' });
const joinedBounce = (from: string, outcome: string): Row => bounce(from, { [UNJOINED]: 'never', '*': outcome });
/** What the account lacks of its reserve is more than the message brings. */
const NOT_COVERED = '37';

export const provider: ContractTable = {
    contract: 'Provider',
    page: 'provider.md',
    states: {
        new: 'deployed by a plain transfer, before Join',
        asked: 'the Registry has not answered its Join yet',
        joined: 'joined, without a node',
        listed: 'joined, with an open node',
        behind: 'listed, and the Registry has newer rules than it follows',
        unbonding: 'listed, all stake that no node requires is in a slot',
        due: 'the same, and the slot is unlocked',
        case: 'the same, and a demand of its node waits for its answer',
        jailed: 'listed, three demands were not answered',
        released: 'the same, and the time in jail is over',
        poor: 'listed, its rent has used up the reserve, and the message brings 0.1 TON',
    },
    rows: {
        Join: owner({ [UNJOINED]: 'ok → Registry', '*': 'ErrWrongState' }),
        Adopt: joinedOwner('ok → Registry'),
        AddStake: {
            ...external,
            '*': { [UNJOINED]: 'ErrWrongState', poor: 'ErrLowValue', '*': 'ok → sender' },
        },
        Unbond: joinedOwner('ok → owner', { 'unbonding, due, case': 'ErrLowStake' }),
        CancelUnbonding: owner({
            'unbonding, due, case': 'ok → owner',
            poor: 'ErrLowValue',
            '*': 'ErrEmptySlot',
        }),
        WithdrawStake: owner({
            unbonding: 'ErrTooEarly',
            due: 'ok → owner',
            case: 'ErrLowStake',
            poor: 'ErrLowValue',
            '*': 'ErrEmptySlot',
        }),
        'WithdrawStake: a nanoTON': owner({
            unbonding: 'ErrTooEarly',
            'due, case': 'ok → owner',
            poor: 'ErrLowValue',
            '*': 'ErrEmptySlot',
        }),
        WithdrawSurplus: owner({ poor: 'ErrLowValue', '*': 'ok → owner' }),
        SetOperator: owner({ new: 'ErrWrongState', poor: 'ErrLowValue', '*': 'ok → owner' }),
        SetPayout: joinedOwner('ok → owner'),
        RegisterNode: joinedOwner('ok → next Node', {
            'unbonding, due, case': 'ErrLowStake',
            'jailed, released': 'ErrJailed',
        }),
        'ChangeNode: SetOffers': members({ owner: passedOn, operator: passedOn }),
        'ChangeNode: SetKeys': members({ owner: passedOn, operator: passedOn }),
        'ReplaceHardware: the same share': members({ owner: passedOn, operator: passedOn }),
        'ReplaceHardware: a larger share': members({
            owner: { 'unbonding, due, case': 'ErrLowStake', ...passedOn },
            operator: { '*': 'ErrNotOwner' },
        }),
        CloseNode: members({ owner: passedOn, operator: passedOn }),
        Unjail: owner({ jailed: 'ErrTooEarly', released: 'ok → owner', '*': 'ErrWrongState' }),
        RulesGiven: {
            ...external,
            Registry: { new: 'never', poor: NOT_COVERED, '*': 'ok → owner' },
            '*': 'ErrNotRegistry',
        },
        'ShareFreed: a closed node': child('Node', { poor: NOT_COVERED, '*': 'ok → Registry' }),
        'ShareFreed: a refused node': child('Node', { poor: NOT_COVERED, '*': 'ok → owner' }),
        FaultFound: child('Node', { '*': 'ok → Dispute' }),
        'FaultFound: about another node': child('Node', { '*': 'ok → reporter' }),
        'FaultFound: with other code': child('Node', { '*': 'ok → Node' }),
        'CaseClosed: guilty': child('Dispute', { '*': 'ok → Node' }),
        'CaseClosed: not guilty': child('Dispute', { '*': 'ok → Node' }),
        ShareSlashed: child('Node', {
            joined: 'ok → reporter',
            '*': 'ok → Escrow, insurance, reporter, reporter',
        }),
        ShareReleased: child('Node', { '*': 'ok → reporter' }),
        'no body': { ...external, '*': 'ok' },
        'an empty comment': { ...external, '*': 'ok' },
        'a comment': { ...external, '*': '130' },
        'bounce of RegisterProvider': bounce('Registry', {
            new: 'never',
            poor: NOT_COVERED,
            '*': 'ok → owner',
        }),
        'bounce of AskRules': bounce('Registry', {
            [UNJOINED]: 'never',
            poor: NOT_COVERED,
            '*': 'ok → owner',
        }),
        'bounce of AnnounceNode': bounce('Registry', {
            [UNJOINED]: 'never',
            poor: NOT_COVERED,
            '*': 'ok → owner',
        }),
        'bounce of StartNode': bounce('Node', { [UNJOINED]: 'never', poor: NOT_COVERED, '*': 'ok → owner' }),
        'bounce of ApplyChange': bounce('Node', { [UNJOINED]: 'never', poor: NOT_COVERED, '*': 'ok → owner' }),
        'bounce of ApplyChange: an operator': bounce('Node', {
            [UNJOINED]: 'never',
            poor: NOT_COVERED,
            '*': 'ok → operator',
        }),
        'bounce of ApplyHardware': bounce('Node', { [UNJOINED]: 'never', poor: NOT_COVERED, '*': 'ok → owner' }),
        'bounce of StopNode': bounce('Node', { [UNJOINED]: 'never', poor: NOT_COVERED, '*': 'ok → owner' }),
        'bounce of OpenCase': joinedBounce('Dispute', 'ok → Node'),
        'bounce of SlashShare': joinedBounce('Node', 'ok → insurance'),
        'bounce of ReleaseShare': joinedBounce('Node', 'ok → insurance'),
        [OTHER]: { ...external, '*': '130' },
    },
};
