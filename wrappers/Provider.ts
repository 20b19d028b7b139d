/** One owner's stake. All messages to their nodes go through it. See docs/contracts/provider.md. */
import { Address, beginCell, Cell, ContractProvider, Dictionary, Sender } from '@ton/core';
import {
    Provider as Generated,
    Membership,
    ProviderState,
    ProviderValues,
    StakeSlot,
    StakeSlots,
    Standing,
    storeChangeNode,
    storeRegisterNode,
    storeReplaceHardware,
} from '../build/Provider/Provider_Provider';
import { sizeOf } from './prices';
import { Call, stateless } from './sending';

export type { Membership, ProviderState, ProviderValues, StakeSlot, Standing };

/** Slots of stake that is on its way out. */
export const stakeSlots = Number(StakeSlots);

/** A node by its number and the version of its code. */
export interface NodeName {
    number: number;
    codeVersion?: number; // 0 unless given
}

export class Provider extends stateless(Generated) {
    /** The Provider of an owner's wallet at a registry, as it is deployed: without stake, nodes and rules. */
    static async ofOwner(registry: Address, owner: Address): Promise<Provider> {
        const slots = Dictionary.empty<number, StakeSlot>();
        // stake, unbonding, shares, nodes, gpus, next number, rules version, code version
        const { address, init } = await Generated.fromInit(
            registry,
            owner,
            0n,
            0n,
            0n,
            0n,
            0n,
            0n,
            0n,
            0n,
            slots,
            null,
        );
        return new Provider(address, init);
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
        const { value, queryId = 0n, stake, payout, operator = null, codeVersion = 0, rules = 0n } = args;
        // The generated method attaches the state.
        await Generated.prototype.send.call(
            this,
            provider,
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
    async sendAdopt(
        provider: ContractProvider,
        via: Sender,
        { value, queryId = 0n, rules = 0n }: Call & { rules?: bigint },
    ) {
        await this.send(provider, via, { value }, { $$type: 'Adopt', queryId, rules });
    }

    /**
     * Keeps `amount` nanoTON of the value as stake. From anyone, once joined.
     * @throws on chain: ErrWrongState, ErrWrongAmount, ErrLowValue
     */
    async sendAddStake(
        provider: ContractProvider,
        via: Sender,
        { value, amount, queryId = 0n }: Call & { amount: bigint },
    ) {
        await this.send(provider, via, { value }, { $$type: 'AddStake', queryId, amount });
    }

    /**
     * Moves `amount` nanoTON of stake that no node requires into a free slot, for the rules' unbonding time. From the
     * owner, once joined.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrWrongAmount, ErrLowStake, ErrNoSlot, ErrLowValue
     */
    async sendUnbond(
        provider: ContractProvider,
        via: Sender,
        { value, amount, queryId = 0n }: Call & { amount: bigint },
    ) {
        await this.send(provider, via, { value }, { $$type: 'Unbond', queryId, amount });
    }

    /**
     * Moves a slot (0 to 3) back into the stake. From the owner.
     * @throws on chain: ErrNotOwner, ErrEmptySlot, ErrLowValue
     */
    async sendCancelUnbonding(
        provider: ContractProvider,
        via: Sender,
        { value, slot, queryId = 0n }: Call & { slot: number },
    ) {
        await this.send(provider, via, { value }, { $$type: 'CancelUnbonding', queryId, slot: BigInt(slot) });
    }

    /**
     * Withdraws `amount` nanoTON of a slot (0 to 3), by default all of it, from its `unlockAt` on. From the owner.
     * `getWithdrawable(slot)` returns how much may leave now.
     * @throws on chain: ErrNotOwner, ErrEmptySlot, ErrTooEarly, ErrWrongAmount, ErrLowStake, ErrLowValue
     */
    async sendWithdrawStake(
        provider: ContractProvider,
        via: Sender,
        { value, slot, amount = 0n, queryId = 0n }: Call & { slot: number; amount?: bigint },
    ) {
        await this.send(provider, via, { value }, { $$type: 'WithdrawStake', queryId, slot: BigInt(slot), amount });
    }

    /**
     * Withdraws what is neither stake nor slot nor reserve, such as plain transfers. From the owner.
     * @throws on chain: ErrNotOwner, ErrLowValue
     */
    async sendWithdrawSurplus(provider: ContractProvider, via: Sender, { value, queryId = 0n }: Call) {
        await this.send(provider, via, { value }, { $$type: 'WithdrawSurplus', queryId });
    }

    /**
     * Names who else may change nodes, in the basechain; null for nobody. From the owner, after Join.
     * @throws on chain: ErrNotOwner, ErrNotBasechain, ErrWrongState, ErrLowValue
     */
    async sendSetOperator(
        provider: ContractProvider,
        via: Sender,
        { value, operator, queryId = 0n }: Call & { operator: Address | null },
    ) {
        await this.send(provider, via, { value }, { $$type: 'SetOperator', queryId, operator });
    }

    /**
     * Names the payout that counts after the rules' delay. From the owner, once joined.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrLowValue
     */
    async sendSetPayout(
        provider: ContractProvider,
        via: Sender,
        { value, payout, queryId = 0n }: Call & { payout: Address },
    ) {
        await this.send(provider, via, { value }, { $$type: 'SetPayout', queryId, payout });
    }

    /**
     * Leaves jail: clears the strikes. From the owner, from `jailedUntil` on and once the stake suffices.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrTooEarly, ErrLowStake, ErrLowValue
     */
    async sendUnjail(provider: ContractProvider, via: Sender, { value, queryId = 0n }: Call) {
        await this.send(provider, via, { value }, { $$type: 'Unjail', queryId });
    }

    /**
     * Deploys and announces the next node. From the owner, once joined. `listing`: see `listingCell`.
     * @throws on chain: ErrNotOwner, ErrWrongState, ErrJailed, ErrUnknownVersion, ErrWrongCode, ErrWrongClass,
     * ErrLowStake, ErrLowValue; in the Node: ErrWeakKey, ErrWrongService, ErrWrongOffers, ErrWrongAttestation; in the
     * Registry: ErrPaused
     */
    async sendRegisterNode(
        provider: ContractProvider,
        via: Sender,
        { value, code, listing, queryId = 0n }: Call & { code: Cell; listing: Cell },
    ) {
        await this.send(provider, via, { value }, { $$type: 'RegisterNode', queryId, code, listing });
    }

    /**
     * Changes a node's listing and announces the change. From owner or operator, keys only from the owner, once
     * joined. `change`: see `nodeChanges`.
     * @throws on chain: ErrNotOperator, ErrWrongState, ErrUnknownVersion, ErrLowValue; in the Node: ErrWrongState,
     * ErrUnknownChange, ErrWeakKey, ErrWrongKeyEnd, ErrKeyUsed, ErrNoSlot, ErrUnknownKey, ErrWrongService,
     * ErrWrongOffers, ErrWrongAttestation
     */
    async sendChangeNode(
        provider: ContractProvider,
        via: Sender,
        { value, number, codeVersion = 0, change, queryId = 0n }: Call & NodeName & { change: Cell },
    ) {
        await this.send(
            provider,
            via,
            { value },
            { $$type: 'ChangeNode', queryId, number: BigInt(number), codeVersion: BigInt(codeVersion), change },
        );
    }

    /**
     * Gives a node other GPUs and the share they require under the rules followed now. From owner or operator, once
     * joined. `share` (nanoTON) and `gpus` are what the node has until now; `change`: `nodeChanges.hardware`.
     * @throws on chain: ErrNotOperator, ErrNotOwner (an operator who raises the share), ErrWrongState,
     * ErrUnknownVersion, ErrWrongClass, ErrLowStake, ErrLowValue; in the Node: ErrWrongState, ErrWrongShare
     */
    async sendReplaceHardware(
        provider: ContractProvider,
        via: Sender,
        args: Call & NodeName & { share: bigint; gpus: number; change: Cell },
    ) {
        const { value, queryId = 0n, number, codeVersion = 0, share, gpus, change } = args;
        const name = { number: BigInt(number), codeVersion: BigInt(codeVersion) };
        await this.send(
            provider,
            via,
            { value },
            { $$type: 'ReplaceHardware', queryId, ...name, share, gpus: BigInt(gpus), change },
        );
    }

    /**
     * Ends a node, frees its share and announces the end. The account stays until `clearAt`. From owner or operator,
     * once joined.
     * @throws on chain: ErrNotOperator, ErrWrongState, ErrUnknownVersion, ErrLowValue; in the Node: ErrWrongState
     */
    async sendCloseNode(
        provider: ContractProvider,
        via: Sender,
        { value, number, codeVersion = 0, queryId = 0n }: Call & NodeName,
    ) {
        await this.send(
            provider,
            via,
            { value },
            { $$type: 'CloseNode', queryId, number: BigInt(number), codeVersion: BigInt(codeVersion) },
        );
    }

    /** What to attach to a RegisterNode with this code and listing, in nanoTON. */
    async getRegisterNodeValue(provider: ContractProvider, args: { code: Cell; listing: Cell }): Promise<bigint> {
        const body = beginCell().store(storeRegisterNode({ $$type: 'RegisterNode', queryId: 0n, ...args }));
        return (await this.valuesFor(provider, body.endCell())).registerNode;
    }

    /** What to attach to a ChangeNode with this change, in nanoTON. */
    async getChangeNodeValue(provider: ContractProvider, change: Cell): Promise<bigint> {
        const fields = { queryId: 0n, number: 0n, codeVersion: 0n, change };
        const body = beginCell().store(storeChangeNode({ $$type: 'ChangeNode', ...fields }));
        return (await this.valuesFor(provider, body.endCell())).changeNode;
    }

    /** What to attach to a ReplaceHardware with this change, in nanoTON. */
    async getReplaceHardwareValue(provider: ContractProvider, change: Cell): Promise<bigint> {
        const fields = { queryId: 0n, number: 0n, codeVersion: 0n, share: 0n, gpus: 0n, change };
        const body = beginCell().store(storeReplaceHardware({ $$type: 'ReplaceHardware', ...fields }));
        return (await this.valuesFor(provider, body.endCell())).replaceHardware;
    }

    private valuesFor(provider: ContractProvider, body: Cell): Promise<ProviderValues> {
        const { cells, bits } = sizeOf(body);
        return this.getValuesOf(provider, cells, bits);
    }
}
