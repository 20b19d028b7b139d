/** Whose word decides to whom the rest of each slash goes, where the governor names nobody. */
import { parseChange, Registry } from '@cocoon-market/wrappers';
import { Address, beginCell, Cell } from '@ton/core';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { run as deployMarket } from '../../scripts/deployMarket';
import { run as proposeRules } from '../../scripts/proposeRules';
import { answerOf, serverOf } from '../offchain/support/server';
import { randomSigningKey } from '../support/keys';
import { providerOf, ScriptStage } from './support/scripts';

const thief = new Address(0, Buffer.alloc(32, 9));
const folder = mkdtempSync(join(tmpdir(), 'cocoon-insurance-'));
const profile = join(folder, 'rules.json');

interface Call {
    method: string;
    params: { method?: string };
}
interface Result {
    stack?: [string, { bytes: string }][];
}

/** These rules with another insurance. */
function insuredBy(rules: Cell, insurance: Address): Cell {
    const fields = rules.beginParse();
    const set = fields.loadRef().beginParse();
    const numbers = set.loadBits(6 * 32 + 64);
    set.loadAddress();
    const other = beginCell().storeBits(numbers).storeAddress(insurance).storeSlice(set).endCell();
    const version = fields.loadUint(32);
    return beginCell().storeUint(version, 32).storeRef(other).storeSlice(fields).endCell();
}

describe('A proposal of rules that names no insurance', () => {
    let stage: ScriptStage;
    let liar: Awaited<ReturnType<typeof serverOf>>;
    let registry: string;

    beforeAll(async () => {
        stage = await ScriptStage.open();
        const committee = randomSigningKey().publicKey.toString('hex');
        process.env.COCOON_DEPLOYMENTS = folder;
        await stage.run(deployMarket, ['--committee', committee, '--yes']);
        ({ registry } = JSON.parse(readFileSync(join(folder, 'local.json'), 'utf8')) as { registry: string });
        const local = readFileSync('params/local.json', 'utf8');
        writeFileSync(profile, local.replace('"baseStake": "0.2"', '"baseStake": "0.3"'));
        liar = await serverOf(async (request, response) => {
            const call = (await json(request)) as Call;
            const answer = await answerOf<Result | undefined>(stage.network.url, call);
            const [entry] = answer.result?.stack ?? [];
            if (call.params.method === 'rules' && entry !== undefined) {
                entry[1].bytes = insuredBy(Cell.fromBase64(entry[1].bytes), thief).toBoc().toString('base64');
            }
            response.end(JSON.stringify(answer));
        });
    });

    beforeEach(() => {
        jest.spyOn(console, 'log').mockImplementation();
        process.env.COCOON_DEPLOYMENTS = folder;
    });

    afterEach(() => {
        jest.restoreAllMocks();
        delete process.env.COCOON_ENDPOINTS;
    });

    afterAll(async () => {
        delete process.env.COCOON_DEPLOYMENTS;
        rmSync(folder, { recursive: true });
        liar.close();
        await stage.close();
    });

    /** By an endpoint that names the thief, and these besides. */
    const propose = async (others: string[], flags: string[]) => {
        process.env.COCOON_ENDPOINTS = others.join(',');
        await proposeRules(await providerOf(liar.url, stage.wallet), ['--profile', profile, ...flags, '--yes']);
    };
    const waiting = async () => {
        const opened = stage.network.blockchain.openContract(Registry.fromAddress(Address.parse(registry)));
        return (await opened.getRegistryState()).change;
    };

    it('gives it to no thief whom the first of three endpoints names', async () => {
        process.env.COCOON_DEPLOYMENTS = join(folder, 'none');
        const honest = [stage.network.url, stage.network.url];

        await expect(propose(honest, ['--registry', registry])).rejects.toThrow('name it with --insurance');

        expect(await waiting()).toBeNull();
    });

    it('gives it to no thief whom the only endpoint names against the record', async () => {
        await expect(propose([], [])).rejects.toThrow('name it with --insurance');

        expect(await waiting()).toBeNull();
    });

    it('leaves it to whom it belongs', async () => {
        await stage.run(proposeRules, ['--profile', profile, '--yes']);

        const change = parseChange((await waiting())!);
        expect(change.kind === 'rules' && change.rules.insurance.equals(stage.wallet.address)).toBe(true);
    });
});
