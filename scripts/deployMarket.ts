import {
    codesOfThisCheckout,
    launchRegistry,
    parseCommittee,
    parseRules,
    Registry,
    registryChanges,
} from '@cocoon-market/wrappers';
import { Address, type OpenedContract } from '@ton/core';
import type { Profile, ScriptSession } from '../scripting';
import {
    committeeOf,
    flag,
    readProfile,
    recordOf,
    registryRows,
    requireTaken,
    rulesOf,
    rulesText,
    script,
    ScriptError,
    ton,
    writeRecord,
} from '../scripting';

interface Choices {
    profile: string | undefined;
    committee: Buffer[] | undefined;
    threshold: number | undefined;
    insurance: Address | undefined;
}

export const run = script({
    name: 'deployMarket',
    group: 'governor',
    about: 'Deploys the registry and sets its first rules, codes, committee and catalogue. The sender becomes the governor.',
    flags: {
        profile: flag.text.optional('a name in params/, or a JSON file like those; default: that of the network'),
        committee: flag.keys.optional('public Ed25519 keys of the committee, 1 to 9; needed for the launch'),
        threshold: flag.count.optional('how many members of the committee decide; default: two thirds, rounded up'),
        insurance: flag.address.optional('the account that receives the rest of a slash; default: the governor'),
    },
    prepare: async (session, flags) => {
        const profile = readProfile(flags.profile ?? session.network.name);
        const record = recordOf(session);
        const planned = await Registry.ofGovernor(session.actor, profile.delay);
        const at = record === undefined ? planned.address : Address.parseRaw(record.registry);
        const registry = session.openContract(Registry.fromAddress(at));
        const { active } = await session.account(at);
        const state = active ? await registry.getRegistryState() : undefined;
        const resultRows = async () => {
            const file = await writeRecord(session, at);
            return [...registryRows(session, at, await registry.getRegistryState()), ['record', file] as const];
        };
        if (state !== undefined && state.rulesVersion > 0n) {
            const found = registryRows(session, at, state);
            const other = record !== undefined && !state.governor.equals(session.actor);
            const differs = [
                ...(other ? [`governor: it is ${session.formatWallet(state.governor)}, not this wallet`] : []),
                ...(await differencesFrom(session, registry, { flags, profile })),
            ];
            return {
                found,
                nothing: 'the market is deployed',
                differs,
                ...(record === undefined ? { resultRows } : {}),
            };
        }
        if (record !== undefined) {
            throw new ScriptError(
                `The record of ${session.network.name} names ${session.format(at)}, but there is no market there`,
                'another network of the same name? Move the record away to deploy a new market',
            );
        }
        if (flags.committee === undefined) {
            throw new ScriptError('Missing: --committee HEX,HEX,…', 'docs/operations.md says how to make the keys');
        }
        await requireTaken(session, profile);
        const rules = rulesOf(profile, flags.insurance ?? session.actor);
        const committee = committeeOf(flags.committee, flags.threshold);
        const rent = active ? 0n : profile.rent;
        const codes = await codesOfThisCheckout();
        const launch = { delay: profile.delay, rent, rules, committee, codes, catalogue: profile.catalogue.hash };
        return {
            found: [
                ['registry', `${session.format(at)} (${active ? 'deployed, not launched' : 'not deployed'})`],
                ['profile', profile.file],
                ['rules', rulesText(session, rules)],
                ['changes wait', flag.formatDuration(profile.delay)],
                ['committee', `${committee.threshold} of ${committee.keys.length} keys decide`],
                ['catalogue', `${profile.catalogue.file}, ${profile.catalogue.models.length} models`],
            ],
            will: [active ? 'launch the market' : 'deploy the registry and launch the market'],
            messages: await session.rehearse((actor) => launchRegistry(actor, launch)),
            retained: rent,
            stays: rent === 0n ? [] : [['rent of the registry', ton(rent)]],
            settled: async (sent) => {
                const present = (await session.account(at)).active;
                return present && (active || sent > 1 ? (await registry.getRegistryState()).rulesVersion > 0n : true);
            },
            resultRows,
        };
    },
});

/** What differs between the flags and the market that exists. */
async function differencesFrom(
    session: ScriptSession,
    registry: OpenedContract<Registry>,
    { flags, profile }: { flags: Choices; profile: Profile },
): Promise<string[]> {
    const { delay, catalogue } = await registry.getRegistryState();
    const committee = parseCommittee(await registry.getCommittee());
    const { insurance, ...rules } = parseRules(await registry.getRules());
    const isCommittee = (keys: Buffer[]) =>
        registryChanges.committee(committee).equals(registryChanges.committee(committeeOf(keys, flags.threshold)));
    const isRules = () =>
        registryChanges.rules({ ...rules, insurance }).equals(registryChanges.rules(rulesOf(profile, insurance)));
    const hasProfile = flags.profile !== undefined;
    const differs = [
        flags.committee !== undefined &&
            !isCommittee(flags.committee) &&
            'committee: another one decides; proposeCommittee changes it',
        flags.committee === undefined &&
            flags.threshold !== undefined &&
            committee.threshold !== flags.threshold &&
            `threshold: ${committee.threshold} decide, not ${flags.threshold}`,
        flags.insurance !== undefined &&
            !insurance.equals(flags.insurance) &&
            `insurance: it is ${session.formatWallet(insurance)}; proposeRules changes it`,
        hasProfile && !isRules() && `profile: the rules are others than ${profile.file}'s; proposeRules changes them`,
        hasProfile &&
            Number(delay) !== profile.delay &&
            `delay: changes wait ${flag.formatDuration(Number(delay))} in this market for ever, not ${flag.formatDuration(profile.delay)}`,
        hasProfile &&
            catalogue !== profile.catalogue.hash &&
            `catalogue: it is another than ${profile.catalogue.file}; setCatalogue changes it`,
    ];
    return differs.filter((line) => line !== false);
}
