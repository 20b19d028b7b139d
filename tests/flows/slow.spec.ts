/** Worker and gateway, each beside a public API without a key, which answers one call a second. */
import { toNano } from '@ton/core';
import { ask } from '../../demo/ask';
import { endAll } from '../../demo/processes';
import { Stage } from '../../demo/stage';
import { limited, type Limited } from '../support/limited';
import { endJob, gatewayJobs, openaiOf, until } from '../support/stage';

jest.setTimeout(300_000);

describe('A market whose API takes one call a second', () => {
    let stage: Stage;
    let doors: Limited[];

    beforeAll(async () => {
        stage = await Stage.open('2026');
        doors = [await limited(stage.network.url, 1), await limited(stage.network.url, 1)];
    });

    afterAll(async () => {
        endAll();
        doors.forEach((door) => door.close());
        await stage.close();
    });

    it('starts, answers, pays, and claims, though worker and gateway are refused what is too much', async () => {
        const registry = await stage.launch();
        const seller = await stage.register(await stage.join(registry.address));
        const buyer = await stage.buyer('app developer', toNano('5'));
        const before = stage.network.transactions.length;
        const [forWorker, forGateway] = doors.map(({ url: endpoint }) => ({ endpoint }));

        // As somebody would start them who has set nothing but what he must.
        const url = `http://127.0.0.1:${seller.port}`;
        const job = { deposit: toNano('1').toString() };
        const [, gateway] = await Promise.all([
            stage.startWorker(registry.address, seller, { ...forWorker, claim: { seconds: 60 }, chain: {} }),
            stage.startGateway(registry.address, buyer, [url], { ...forGateway, job, pollMs: 1000 }),
        ]);
        await until(() =>
            fetch(`${url}/v1/node`).then(
                ({ ok }) => ok,
                () => false,
            ),
        );
        const { answer, cost } = await ask(openaiOf(gateway), 'What is a voucher?', () => undefined);

        expect(answer).toContain('signature');
        expect(cost).toBeGreaterThan(0n);
        await endJob(gateway, 'settle', (await gatewayJobs(gateway))[0].job); // the worker claims
        const hot = seller.hot.address.toRawString();
        const paid = async () =>
            stage.network.transactions
                .slice(before)
                .some(({ account, inMessage }) => account === hot && (inMessage?.value ?? 0n) > 0n);
        await until(paid, 180);
        expect(doors.every(({ served }) => served > 10)).toBe(true);
    });
});
