/** One owner's stake. All messages to their nodes go through it. See docs/contracts/provider.md. */
import { Address, Cell, contractAddress, ContractProvider, Dictionary, Sender } from '@ton/core';
import * as tact from '../build/Provider/Provider_Provider';
import { registerNodeValue } from './bounds';
import { loadAccount, toCell } from './cells';
import { address, bigUint, CALL, cell, checkFields, nullable, optional, uint } from './fields';
import { type ChainPrices, sizeOf } from './prices';
import { Call, messagesOf, stateless, withWholeValue } from './sending';

export type {
    Membership,
    ProviderState,
    ProviderValues,
    StakeSlot,
    Standing,
} from '../build/Provider/Provider_Provider';

/** Slots of stake that is on its way out. */
export const stakeSlots = Number(tact.StakeSlots);

/** A node by its number and the version of its code. */
export interface NodeName {
    number: number;
    codeVersion?: number; // 0 unless given
}

const NODE = { number: uint(32), codeVersion: optional(uint(8)) };
const JOIN = {
    ...CALL,
    ...{ stake: bigUint(64), payout: address, operator: optional(nullable(address)) },
    ...{ codeVersion: optional(uint(8)), rules: optional(bigUint(256)) },
};

/** Who may ask a Provider for what, whom its jobs pay, and the rules that it follows. */
export interface AnyMembership {
    payout: Address | undefined; // that counts now; undefined if it is no account
    nextPayout: Address | undefined;
    nextPayoutAt: bigint; // unix seconds from which `nextPayout` counts
    operator: Address | null;
    rules: Cell | null; // see `parseRules`; null until joined
}

const message = messagesOf<typeof tact.Provider>();

const registerNodeBody = (args: { code: Cell; listing: Cell }) =>
    tact.storeRegisterNode({ $$type: 'RegisterNode', queryId: 0n, ...args });

const nodeFields = ({ number, codeVersion = 0 }: NodeName) => ({
    number: BigInt(number),
    codeVersion: BigInt(codeVersion),
});

export class Provider extends stateless(tact.Provider) {
    /**
     * The Provider of an owner's wallet at a registry, as it is deployed: without stake, nodes and rules. `code`: of
     * another version than this release's.
     */
    static async ofOwner(registry: Address, owner: Address, code?: Cell): Promise<Provider> {
        const slots = Dictionary.empty<number, tact.StakeSlot>();
        // stake, unbonding, shares, nodes, gpus, next number, rules version, code version
        const numbers = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n] as const;
        const { init } = await tact.Provider.fromInit(registry, owner, ...numbers, slots, null);
        const state = { code: code ?? init!.code, data: init!.data };
        return new Provider(contractAddress(0, state), state);
    }

    /**
     * Deploys the Provider with its first stake and registers it. From the owner, until joined. `value` at least
     * `stake` + the Registry's `getJoinValue()`. If the Registry refuses, the stake comes back and the account ends.
     * `rules`: the hash of the rules that the owner agrees to, with the codes of nodes and disputes; by default the
     * rules at that time.
     * @throws on chain: ErrNotOwner, ErrNotBasechain, ErrWrongState, ErrLowValue; in the Registry: ErrPaused,
     * ErrUnknownVersion, ErrNotProvider, ErrLowStake, ErrWrongRules
     */
    async sendJoin(
        provider: ContractProvider,
        via: Sender,
        args: Call & { stake: bigint; payout: Address; operator?: Address; codeVersion?: number; rules?: bigint },
    ) {
        checkFields('Join', JOIN, args);
        const { value, queryId = 0n, stake, payout, operator = null, codeVersion = 0, rules = 0n } = args;
        // The generated method attaches the state.
        await tact.Provider.prototype.send.call(
            this,
            { ...provider, ...withWholeValue(provider) },
            via,
            { value },
            { $$type: 'Join', queryId, stake, codeVersion: BigInt(codeVersion), payout, operator, rules },
        );
    }

    /**
     * Follows the registry's newest rules if they have the hash `rules`; without `rules`, any. From the owner, once
     * joined.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrLowValue; in the Registry: ErrWrongRules
     */
    readonly sendAdopt = message('Adopt', { rules: optional(bigUint(256)) }, ({ rules = 0n }: { rules?: bigint }) => ({
        rules,
    }));

    /**
     * Keeps `amount` nanoTON of the value as stake. From anyone, once joined.
     * @throws on chain: ErrWrongState, ErrWrongAmount, ErrLowValue
     */
    readonly sendAddStake = message('AddStake');

    /**
     * Moves `amount` nanoTON of stake that no node requires into a free slot, for the rules' unbonding time. From the
     * owner, once joined.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrWrongAmount, ErrLowStake, ErrNoSlot, ErrLowValue
     */
    readonly sendUnbond = message('Unbond');

    /**
     * Moves a slot (0 to 3) back into the stake. From the owner.
     * @throws on chain: ErrNotOwner, ErrEmptySlot, ErrLowValue
     */
    readonly sendCancelUnbonding = message('CancelUnbonding', { slot: uint(8) }, ({ slot }: { slot: number }) => ({
        slot: BigInt(slot),
    }));

    /**
     * Withdraws `amount` nanoTON of a slot (0 to 3), by default all of it, from its `unlockAt` on. From the owner.
     * `getWithdrawable(slot)` returns how much may leave now.
     * @throws on chain: ErrNotOwner, ErrEmptySlot, ErrTooEarly, ErrWrongAmount, ErrLowStake, ErrLowValue
     */
    readonly sendWithdrawStake = message(
        'WithdrawStake',
        { slot: uint(8), amount: optional(bigUint(64)) },
        (args: { slot: number; amount?: bigint }) => ({ slot: BigInt(args.slot), amount: args.amount ?? 0n }),
    );

    /**
     * Withdraws what is neither stake nor slot nor reserve, such as plain transfers. From the owner.
     * @throws on chain: ErrNotOwner, ErrLowValue
     */
    readonly sendWithdrawSurplus = message('WithdrawSurplus');

    /**
     * Names who else may change nodes, in the basechain; null for nobody. From the owner, after Join.
     * @throws on chain: ErrNotOwner, ErrNotBasechain, ErrWrongState, ErrLowValue
     */
    readonly sendSetOperator = message('SetOperator');

    /**
     * Names the payout that counts after the rules' delay. From the owner, once joined.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrLowValue
     */
    readonly sendSetPayout = message('SetPayout');

    /**
     * Leaves jail: clears the strikes. From the owner, from `jailedUntil` on and once the stake suffices.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrTooEarly, ErrLowStake, ErrLowValue
     */
    readonly sendUnjail = message('Unjail');

    /**
     * Deploys and announces the next node. From the owner, once joined. `listing`: see `listingCell`.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrJailed, ErrUnknownVersion, ErrWrongCode, ErrWrongClass,
     * ErrLowStake, ErrLowValue; in the Node: ErrWeakKey, ErrWrongService, ErrWrongOffers, ErrWrongAttestation; in the
     * Registry: ErrPaused
     */
    readonly sendRegisterNode = message('RegisterNode');

    /**
     * Changes a node's listing and announces the change. From owner or operator, keys only from the owner, once
     * joined. `change`: see `nodeChanges`.
     * @throws on chain: ErrNotOperator, ErrWrongState, ErrUnknownVersion, ErrLowValue; in the Node: ErrWrongState,
     * ErrUnknownChange, ErrWeakKey, ErrWrongKeyEnd, ErrKeyUsed, ErrNoSlot, ErrUnknownKey, ErrWrongService,
     * ErrWrongOffers, ErrWrongAttestation
     */
    readonly sendChangeNode = message(
        'ChangeNode',
        { ...NODE, change: cell },
        ({ change, ...node }: NodeName & { change: Cell }) => ({ ...nodeFields(node), change }),
    );

    /**
     * Gives a node other GPUs and the share they require under the rules followed now. From owner or operator, once
     * joined. `share` (nanoTON) and `gpus` are what the node has until now; `change`: `nodeChanges.hardware`.
     * @throws on chain: ErrNotOperator, ErrNotOwner (an operator who raises the share), ErrWrongState,
     * ErrUnknownVersion, ErrWrongClass, ErrLowStake, ErrLowValue; in the Node: ErrWrongState, ErrWrongShare
     */
    readonly sendReplaceHardware = message(
        'ReplaceHardware',
        { ...NODE, share: bigUint(64), gpus: uint(16), change: cell },
        ({ share, gpus, change, ...node }: NodeName & { share: bigint; gpus: number; change: Cell }) => ({
            ...nodeFields(node),
            share,
            gpus: BigInt(gpus),
            change,
        }),
    );

    /**
     * Ends a node, frees its share and announces the end. The account stays until `clearAt`. From owner or operator,
     * once joined.
     * @throws on chain: ErrNotOperator, ErrWrongState, ErrUnknownVersion, ErrLowValue; in the Node: ErrWrongState
     */
    readonly sendCloseNode = message('CloseNode', NODE, nodeFields);

    /** What to attach to a RegisterNode with this code and listing, in nanoTON. */
    async getRegisterNodeValue(provider: ContractProvider, args: { code: Cell; listing: Cell }): Promise<bigint> {
        return (await this.valuesFor(provider, registerNodeBody(args))).registerNode;
    }

    /** The same at these prices, of a Provider that has just joined. Before that there is no account to ask. */
    static registerNodeValue(basechain: ChainPrices, args: { code: Cell; listing: Cell }): bigint {
        return registerNodeValue(basechain, sizeOf(toCell(registerNodeBody(args))));
    }

    /** What to attach to a ChangeNode with this change, in nanoTON. */
    async getChangeNodeValue(provider: ContractProvider, change: Cell): Promise<bigint> {
        const fields = { queryId: 0n, number: 0n, codeVersion: 0n, change };
        return (await this.valuesFor(provider, tact.storeChangeNode({ $$type: 'ChangeNode', ...fields }))).changeNode;
    }

    /** What to attach to a ReplaceHardware with this change, in nanoTON. */
    async getReplaceHardwareValue(provider: ContractProvider, change: Cell): Promise<bigint> {
        const fields = { queryId: 0n, number: 0n, codeVersion: 0n, share: 0n, gpus: 0n, change };
        const body = tact.storeReplaceHardware({ $$type: 'ReplaceHardware', ...fields });
        return (await this.valuesFor(provider, body)).replaceHardware;
    }

    /** Like `getMembershipNow`, which throws if the owner named no account as a payout: here that one is undefined. */
    async getMembership(provider: ContractProvider): Promise<AnyMembership> {
        const { stack } = await provider.get('membershipNow', []);
        return {
            payout: loadAccount(stack.readCell().beginParse()),
            nextPayout: loadAccount(stack.readCell().beginParse()),
            nextPayoutAt: stack.readBigNumber(),
            operator: stack.readAddressOpt(),
            rules: stack.readCellOpt(),
        };
    }

    private valuesFor(provider: ContractProvider, body: Parameters<typeof toCell>[0]) {
        const { cells, bits } = sizeOf(toCell(body));
        return this.getValuesOf(provider, cells, bits);
    }
}
