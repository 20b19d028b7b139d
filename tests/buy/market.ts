/** The market of the tests of the buying page: a worker, and a node whose texts try to be more than texts. */
import { freePort } from '../../demo/ports';
import { bytesToNumber, codesOfThisCheckout, registerNode } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { endAll, type RunningProcess } from '../../demo/processes';
import { MODEL, RATES } from '../../demo/setup';
import { type Seller, Stage } from '../../demo/stage';
import { modelHash } from '../../offchain/link';

/** Markup that a stranger writes on chain: as a name, and as a region, which has 16 bytes. */
const HOSTILE = '<img src=x onerror="hole=1">';
const REGION = '<b id=hole>hi</b';

export interface BuyMarket {
    stage: Stage;
    registry: Address;
    model: string;
    seller: Seller;
    worker: RunningProcess;
    close(): Promise<void>;
}

export async function startBuyMarket(): Promise<BuyMarket> {
    const stage = await Stage.open('2026');
    const { address: registry } = await stage.launch();
    const seller = await stage.register(await stage.join(registry));
    await addStranger(stage, registry);
    const worker = await stage.startWorker(registry, seller);
    const close = async () => {
        await worker.end();
        endAll();
        await stage.close();
    };
    return { stage, registry, model: MODEL, seller, worker, close };
}

/** A node that costs more than the other, and whose worker does not run. */
async function addStranger(stage: Stage, registry: Address): Promise<void> {
    const { owner, provider, keys } = await stage.join(registry, 'stranger');
    const { node: code } = await codesOfThisCheckout();
    const rates = { ...RATES, completion: RATES.completion * 2n, reasoning: RATES.reasoning * 2n };
    const listing = {
        hardware: { gpuClass: 0, gpus: 1, vram: 24, model: HOSTILE },
        receiptKey: bytesToNumber(keys.receiptKey.publicKey),
        encryptionKey: bytesToNumber(keys.encryptionKey),
        service: { region: REGION, uptime: 9900, endpoint: `http://127.0.0.1:${await freePort()}` },
        offers: [{ model: bytesToNumber(modelHash(HOSTILE)), ...rates }],
    };
    await registerNode(stage.actor(owner), { provider: provider.address, code, listing });
}
