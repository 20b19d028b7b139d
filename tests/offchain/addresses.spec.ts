/**
 * Addresses of another network or workchain, in every place that names one besides the flags of scripts
 * (tests/deploy/).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GLOBAL_IDS } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { main } from '../../offchain/cli';
import { gatewayConfig } from '../../offchain/gateway/config';
import { workerConfig } from '../../offchain/worker';
import { loadDeployment } from '../../scripting/deployments';

const account = new Address(0, Buffer.alloc(32, 7));
const elsewhere = new Address(-1, account.hash);
const WRONG: [what: string, text: string, said: string][] = [
    ['mainnet', account.toString({ testOnly: false }), 'is an address of mainnet, this is testnet'],
    ['the masterchain', elsewhere.toString({ testOnly: true }), 'is in workchain -1'],
    ['the masterchain in raw form', elsewhere.toRawString(), 'is in workchain -1'],
];

const common = { network: GLOBAL_IDS.testnet, endpoint: 'http://127.0.0.1:1/', keyFile: 'key', store: 'store' };
const rates = { prompt: '1', cached: '1', completion: '1', reasoning: '1' };
const raw = account.toRawString();
const worker = {
    ...common,
    node: raw,
    provider: raw,
    listen: { port: 0 },
    backends: [{ kind: 'embedded' }],
    offers: [{ model: 'cocoon-tiny', rates }],
};
const gateway = { ...common, owner: raw, workers: ['http://127.0.0.1:1/'], models: {} };

/** Names of the settings that take an address. */
function fieldsOf({ shape }: { shape: object }): string[] {
    type Field = { unwrap?: () => Field; meta: () => { form?: string } | undefined };
    const bare = (schema: Field) => schema.unwrap?.() ?? schema;
    return Object.entries(shape as Record<string, Field>).flatMap(([name, schema]) =>
        bare(schema).meta()?.form === 'address' ? [name] : [],
    );
}

describe.each([
    ['worker', workerConfig, worker, ['registry', 'node', 'provider', 'payout']],
    ['gateway', gatewayConfig, gateway, ['owner', 'escrow', 'registry']],
] as const)('The configuration of a %s', (_, schema, valid, fields) => {
    it('takes addresses of its own network, and raw ones', () => {
        expect(fieldsOf(schema)).toEqual(fields);
        expect(schema.safeParse(valid).success).toBe(true);
    });

    it.each(WRONG)('refuses an address of %s wherever it takes one', (__, text, said) => {
        for (const field of fields) {
            const { error } = schema.safeParse({ ...valid, [field]: text });

            const issues = error?.issues.filter(({ path }) => path[0] === field).map(({ message }) => message);
            expect([field, issues]).toEqual([field, expect.arrayContaining([expect.stringContaining(said)])]);
        }
    });
});

describe('A command of cocoon', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-addresses-'));
    const config = join(folder, 'chain.json');

    beforeAll(() => writeFileSync(config, JSON.stringify(common)));
    afterAll(() => {
        rmSync(folder, { recursive: true });
        process.exitCode = 0;
    });

    it.each(['dispute state', 'dispute decide', 'dispute clear', 'committee read'])(
        'such as %s refuses an address of another network or workchain',
        async (command) => {
            for (const [, text, said] of WRONG) {
                const print = jest.spyOn(console, 'error').mockImplementation(() => undefined);

                await main(['node', 'cocoon', ...command.split(' '), '--config', config, '--', text]);

                expect(print.mock.calls.flat().join('\n')).toContain(said);
                expect(process.exitCode).toBe(1);
                print.mockRestore();
            }
        },
    );
});

describe('A record of a deployment', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cocoon-records-'));
    const record = {
        network: 'testnet',
        globalId: GLOBAL_IDS.testnet as number,
        registry: raw,
        governor: raw,
        delay: 600,
        catalogue: '00',
        rules: { rates: [] },
        committee: { threshold: 1, keys: [] },
        codes: {},
    };
    const reading = (changed: Partial<typeof record>) => () => {
        writeFileSync(join(folder, 'testnet.json'), JSON.stringify({ ...record, ...changed }));
        return loadDeployment('testnet');
    };

    beforeAll(() => {
        process.env.COCOON_DEPLOYMENTS = folder;
    });
    afterAll(() => {
        delete process.env.COCOON_DEPLOYMENTS;
        rmSync(folder, { recursive: true });
    });

    it('is read when it is of its network', () => {
        expect(reading({})()).toMatchObject({ registry: raw });
    });

    it.each([
        ['whose market is in the masterchain', { registry: elsewhere.toRawString() }, 'is in workchain -1'],
        ['whose market is written for a network', { registry: account.toString() }, 'is not a record'],
        ['of another network in its place', { network: 'mainnet' }, 'it is of mainnet'],
        ['of another id', { globalId: GLOBAL_IDS.mainnet }, 'of a network with id -239, testnet has -3'],
    ])('%s is refused', (_, changed, said) => {
        expect(reading(changed)).toThrow(said);
    });
});
