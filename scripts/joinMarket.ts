import { codeName, joinMarket, Provider, readMarket, Registry } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import {
    anyCodeFlag,
    findProvider,
    flag,
    payoutText,
    providerRows,
    registryFlag,
    registryOf,
    requireKnownCodes,
    script,
    ScriptError,
    type ScriptSession,
    ton,
    waitUntil,
} from '../scripting';

export const run = script({
    name: 'joinMarket',
    group: 'provider',
    about: "Makes the wallet a provider: deploys its Provider with a first stake. From the provider's owner.",
    flags: {
        ...registryFlag,
        stake: flag.amount.required("the stake: at least the market's base stake, and more for nodes"),
        payout: flag.address.optional("the account that jobs pay, such as a worker's own wallet; default: the owner"),
        operator: flag.address.optional(
            'may change nodes besides the owner, but neither register them, nor set their keys, nor raise their shares',
        ),
        ...anyCodeFlag,
    },
    prepare: async (session, { registry: flag, stake, payout: payoutFlag, operator, anyCode }) => {
        const payout = payoutFlag ?? session.actor;
        const registry = await registryOf(session, flag);
        await waitForJoin(session, registry);
        const account = await findProvider(session, registry, session.actor);
        if (account !== undefined) {
            const provider = session.openContract(Provider.fromAddress(account));
            const { rulesVersion, stake: staked } = await provider.getProviderState();
            if (rulesVersion > 0n) {
                const is = await provider.getMembership();
                const differs = [
                    staked !== stake &&
                        `stake: it is ${ton(staked)}; ${staked < stake ? 'addStake brings it up' : 'unbondStake takes it down'}`,
                    payoutFlag !== undefined &&
                        is.nextPayout?.equals(payoutFlag) !== true &&
                        `payout: it is ${payoutText(session, is.nextPayout)}; setPayout changes it`,
                    operator !== undefined &&
                        is.operator?.equals(operator) !== true &&
                        `operator: it is ${is.operator === null ? 'nobody' : session.formatWallet(is.operator)}; setOperator changes it`,
                ].filter((line) => line !== false);
                return {
                    found: await providerRows(session, { at: account, provider }),
                    nothing: 'this wallet is a provider',
                    differs,
                };
            }
        }
        const { rules, codes } = await readMarket(session.reader(), registry);
        const { paused } = await session.openContract(Registry.fromAddress(registry)).getRegistryState();
        if (paused) {
            throw new ScriptError(
                'The market takes no new providers for now',
                'the governor ends that with resumeMarket',
            );
        }
        if (stake < BigInt(rules.baseStake)) {
            throw new ScriptError(
                `A stake of ${ton(stake)} is below the market's base stake of ${ton(BigInt(rules.baseStake))}`,
            );
        }
        const planned = await Provider.ofOwner(registry, session.actor);
        const codeVersion = codes.provider.lastIndexOf(codeName(planned.init!.code));
        if (codeVersion < 0) {
            throw new ScriptError('The market names no code of a provider that this checkout has', 'use its release');
        }
        const provider = session.openContract(Provider.fromAddress(planned.address));
        return {
            found: [
                ['registry', session.format(registry)],
                ['provider', `${session.format(planned.address)} (not there yet)`],
                ['base stake', ton(BigInt(rules.baseStake))],
                ['payout', session.formatWallet(payout)],
            ],
            will: [`become a provider with a stake of ${ton(stake)}`],
            messages: await requireKnownCodes(() =>
                session.rehearse((actor) => {
                    const who = { payout, ...(operator === undefined ? {} : { operator }) };
                    return joinMarket(actor, { registry, stake, codeVersion, anyCode, ...who });
                }),
            ),
            retained: stake,
            stays: [['stake', ton(stake)]],
            settled: async () =>
                (await session.account(planned.address)).active &&
                (await provider.getProviderState()).rulesVersion > 0n,
            resultRows: () => providerRows(session, { at: planned.address, provider }),
        };
    },
});

/** Waits until the Registry has answered a Join of an earlier run, which another one would add its stake to. */
async function waitForJoin(session: ScriptSession, registry: Address): Promise<void> {
    const isAnswered = async () => {
        const account = await findProvider(session, registry, session.actor);
        if (account === undefined) {
            return true; // none was sent, or it was refused
        }
        const { rulesVersion, stake } = await session.openContract(Provider.fromAddress(account)).getProviderState();
        return rulesVersion > 0n || stake === 0n;
    };
    if (!(await isAnswered())) {
        console.log('Waiting for the answer of the registry to the Join of an earlier run');
        await waitUntil(session.patience, isAnswered);
    }
}
