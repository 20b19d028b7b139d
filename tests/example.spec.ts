/** The example in wrappers/README.md runs as it stands there. */
import { Address } from '@ton/core';
import { Blockchain } from '@ton/sandbox';
import '@ton/test-utils';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import ts from 'typescript';
import * as wrappers from '@cocoon-market/wrappers';
import { Actor, Channel } from '@cocoon-market/wrappers';
import { CONFIG_ADDRESS, configAccount } from '../localnet/config';

const README = readFileSync(join(__dirname, '..', 'wrappers', 'README.md'), 'utf8');
const NETWORK = -239; // of the sandbox's config

/** What the example leaves defined. */
interface Left {
    channel: Address;
    owed: { cumulative: bigint };
}

async function runExample(given: Record<string, unknown>): Promise<Left> {
    const [, block] = /```ts\n(.*?)```/s.exec(README)!;
    const [, names, rest] = /^import \{(.*?)\} from '@cocoon-market\/wrappers';\n(.*)$/s.exec(block)!;
    const { outputText } = ts.transpileModule(`async () => { ${rest} return { channel, owed }; }`, {
        compilerOptions: { target: ts.ScriptTarget.ES2022 },
    });
    const scope = { ...given, imported: wrappers };
    const body = `const {${names}} = imported; return (${outputText.trim().replace(/;$/, '')})();`;
    const example = compileFunction(body, Object.keys(scope)) as (...values: unknown[]) => Promise<Left>;
    return example(...Object.values(scope));
}

it('the example of the wrappers opens a job and pays exactly what its voucher says', async () => {
    const blockchain = await Blockchain.create({ config: 'slim' });
    blockchain.now = 1_800_000_000;
    await blockchain.setShardAccount(CONFIG_ADDRESS, configAccount(blockchain.config)); // of the network's prices
    const [client, payout] = await Promise.all(['client', 'payout'].map((name) => blockchain.treasury(name)));
    const actor = (wallet: typeof client): Actor => ({
        sender: wallet.getSender(),
        open: (contract) => blockchain.openContract(contract) as never,
    });

    const { channel, owed } = await runExample({
        client: actor(client),
        payout: actor(payout),
        seed: Buffer.alloc(32, 1),
        now: blockchain.now,
        network: NETWORK,
    });

    const state = await blockchain.openContract(Channel.fromAddress(channel)).getChannelState();
    expect(state.paid).toBe(owed.cumulative);
    expect(state.payout).toEqualAddress(payout.address);
    expect(state.refundAt).toBe(BigInt(blockchain.now + 86_400));
});
