/** `/v1/models` and `/v1/models/{id}`: OpenAI's shape with prices, context, features, tiers and how many nodes. */
import type { FastifyInstance } from 'fastify';
import { requireAllowed } from '../apiKeys';
import type { Catalogue } from '../catalogue';
import type { GatewayConfig } from '../config';
import { modelNamed } from './modelName';

/**
 * Adds the paths to the server. The names of models may have slashes, plain or encoded. A key that may use some models
 * only is shown those.
 */
export function addModels(
    server: FastifyInstance,
    config: Pick<GatewayConfig, 'models'>,
    catalogue: Pick<Catalogue, 'list' | 'find'>,
): void {
    server.get('/v1/models', async ({ apiKey }) => {
        const models = await catalogue.list();
        return { object: 'list', data: models.filter(({ id }) => apiKey?.models?.includes(id) ?? true) };
    });
    server.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params: { '*': name }, apiKey }) => {
        const model = modelNamed(name, Object.keys(config.models));
        if (apiKey !== undefined) {
            requireAllowed(apiKey, model);
        }
        return catalogue.find(model);
    });
}
