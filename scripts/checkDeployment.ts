import type { MarketRecord } from '@cocoon-market/wrappers';
import {
    codeHash,
    codeName,
    codesOfThisCheckout,
    compareMarkets,
    numberToHex,
    readMarket,
    Registry,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import type { Row } from '../scripting';
import {
    check,
    deploymentFile,
    findLibrary,
    libraryRows,
    NO_REGISTRY,
    readCatalogue,
    recordOf,
    registryRows,
    ScriptError,
} from '../scripting';

export const run = check({
    name: 'checkDeployment',
    group: 'look',
    about: 'Compares the network, the record in deployments/ and this checkout; exits with 1 and names what differs.',
    flags: {},
    read: async (session) => {
        const record = recordOf(session);
        if (record === undefined) {
            throw new ScriptError(
                `There is nothing to compare ${session.network.name} with: no record of a market, ${deploymentFile(session.network.name)}`,
                'take the record from version control; where it is lost, deployMarket from the governor, with the profile of then, writes it again. Where no market is, it deploys one',
            );
        }
        const at = Address.parseRaw(record.registry);
        const { active, code } = await session.account(at);
        if (!active || code === undefined) {
            throw new ScriptError(
                `The record names ${session.format(at)}, but there is no registry on ${session.network.name}`,
                NO_REGISTRY,
            );
        }
        const state = await session.openContract(Registry.fromAddress(at)).getRegistryState();
        const market = await readMarket(session.reader(), at);
        const differences = [
            ...compareMarkets(record, market).map(
                ({ name, one, other }) =>
                    `${name}: the record says ${one ?? 'nothing'}, the network ${other ?? 'nothing'}`,
            ),
            ...(await codeDifferences(market, { registry: codeHash(code), recorded: record.registryCode })),
            ...catalogueDifference(market),
        ];
        const rows: Row[] = [
            ...registryRows(session, at, state),
            ...libraryRows(session, await findLibrary(session)).slice(-1),
            ['recorded', `${record.date} at commit ${record.commit}`],
        ];
        if (differences.length > 0) {
            console.log(rows.map(([name, value]) => `  ${name}: ${value}`).join('\n'));
            const count = differences.length === 1 ? '1 difference' : `${differences.length} differences`;
            throw new ScriptError(`${count}:\n${differences.map((line) => `  - ${line}`).join('\n')}`);
        }
        return [...rows, ['network, record and checkout', 'all match']];
    },
});

async function codeDifferences(
    market: MarketRecord,
    registry: { registry: string; recorded: string },
): Promise<string[]> {
    const codes = await codesOfThisCheckout();
    const own = codeHash((await Registry.ofGovernor(Address.parseRaw(market.governor), market.delay)).init!.code);
    const lines = [
        registry.registry !== registry.recorded &&
            `code of the registry: the record says ${registry.recorded}, the network runs ${registry.registry}`,
        registry.registry !== own &&
            `code of the registry: the network runs ${registry.registry}, this checkout builds ${own}`,
        ...Object.entries(codes).map(([kind, code]) => {
            const versions = market.codes[kind as keyof typeof codes];
            const name = versions[versions.length - 1];
            const newest = `the network's newest, version ${versions.length - 1}, is ${name}`;
            return name !== codeName(code) && `code of ${kind}: ${newest}, this checkout builds ${codeName(code)}`;
        }),
    ];
    return lines.filter((line) => line !== false);
}

function catalogueDifference({ catalogue }: MarketRecord): string[] {
    const { file, hash } = readCatalogue('params/catalogue.json');
    const own = numberToHex(hash);
    return own === catalogue ? [] : [`catalogue: the network names ${catalogue}, ${file} is ${own}`];
}
