/** Lists of settings in which the same thing twice would count as two: the configurations refuse it. */
import { gatewayConfig } from '../../offchain/gateway/config';
import { workerConfig } from '../../offchain/worker';

const raw = `0:${'07'.repeat(32)}`;
const rates = { prompt: '1', cached: '1', completion: '1', reasoning: '1' };
const common = { network: -3, endpoint: 'https://a.example/v2', keyFile: 'key', store: 'store' };
const worker = {
    ...common,
    ...{ node: raw, provider: raw, listen: { port: 0 } },
    backends: [{ kind: 'openai', url: 'http://127.0.0.1:8000/v1' }],
    offers: [{ model: 'a', rates }],
};
const gateway = { ...common, owner: raw, workers: ['http://127.0.0.1:1/'], models: {} };
const [backend, offer] = [worker.backends[0], worker.offers[0]];
const maxPrice = rates;

/** What the schema objects to, as "path: message". */
function objections(schema: typeof workerConfig | typeof gatewayConfig, settings: object): string[] {
    const { error } = schema.safeParse(settings);
    return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('The same thing twice in a list of settings', () => {
    const twice = 'a.example is listed twice: its second word confirms nothing';

    it.each([
        ['the same URL', ['https://a.example/v2', 'https://a.example/v2']],
        ['with another key', ['https://a.example/v2?api_key=1', { url: 'https://a.example/v2', apiKey: '2' }]],
        ['written otherwise', ['https://A.example:443/v2', 'https://a.example/v2']],
    ])('is refused of an endpoint of the chain, %s', (_, endpoint) => {
        expect(objections(workerConfig, { ...worker, endpoint })).toEqual([`endpoint.1: ${twice}`]);
        expect(objections(gatewayConfig, { ...gateway, endpoint })).toEqual([`endpoint.1: ${twice}`]);
    });

    it.each([
        ['endpoint', ['https://a.example/v2', 'https://b.example/v2', 'http://127.0.0.1:1/', 'http://127.0.0.1:2/']],
        ['backends', [backend, { ...backend, name: 'second' }]],
        ['offers', [offer, { ...offer, model: 'b' }]],
    ])('is not what two entries of %s are that differ', (field, list) => {
        expect(objections(workerConfig, { ...worker, [field]: list })).toEqual([]);
    });

    it('is refused of backends, offers and workers', () => {
        const backends = [backend, backend];
        const offers = [offer, { ...offer, context: 1 }];
        const workers = ['http://127.0.0.1:1/', 'http://127.0.0.1:1'];
        const models = { a: { maxPrice, workers } };

        expect(objections(workerConfig, { ...worker, backends, offers })).toEqual([
            'backends.1: two backends are called 127.0.0.1:8000: give each a name of its own',
            'offers.1: two offers are of a: leave one',
        ]);
        expect(objections(gatewayConfig, { ...gateway, workers, models })).toEqual([
            'workers.1: http://127.0.0.1:1/ is listed twice: leave it once',
            'models.a.workers.1: http://127.0.0.1:1/ is listed twice: leave it once',
        ]);
    });
});
