/** A market whose nodes serve model servers by their URLs, and one gateway that buys from all of them. */
import { toNano } from '@ton/core';
import { endAll } from '../../demo/processes';
import { Stage } from '../../demo/stage';
import { features } from '../../offchain/link';

/** One model server: the model that it serves, and its base URL. */
export interface Served {
    model: string;
    url: string;
}

// nanoTON per million tokens, as in docs/gateway.md.
const RATES = { prompt: 100_000_000n, cached: 20_000_000n, completion: 400_000_000n, reasoning: 400_000_000n };
const rates = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, rate.toString()]));

/**
 * Starts the market. `url`: the gateway's base URL; `poor`: that of another client's gateway, whose money is enough for
 * no job; `close` ends every process.
 */
export async function openMarket(served: Served[]): Promise<{ url: string; poor: string; close: () => Promise<void> }> {
    const stage = await Stage.open();
    try {
        const registry = (await stage.launch()).address;
        const workers: string[] = [];
        for (const [i, { model, url }] of served.entries()) {
            const seller = await stage.register(await stage.join(registry, `worker ${i}`), { model, rates: RATES });
            const worker = await stage.startWorker(registry, seller, {
                backends: [{ kind: 'openai', url }],
                offers: [{ model, rates, features }],
            });
            workers.push(worker.url);
        }
        const models = Object.fromEntries(served.map(({ model }) => [model, { maxPrice: rates }]));
        const gatewayOf = async (name: string, deposit: string) => {
            const buyer = await stage.buyer(name, toNano(deposit));
            return `${(await stage.startGateway(registry, buyer, workers, { models })).url}/v1`;
        };
        return {
            url: await gatewayOf('app developer', '50'),
            poor: await gatewayOf('poor developer', '0.3'),
            async close() {
                endAll();
                await stage.close();
            },
        };
    } catch (error) {
        endAll();
        await stage.close();
        throw error;
    }
}
