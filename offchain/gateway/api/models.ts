/** `/v1/models` and `/v1/models/{id}`: OpenAI's shape with prices, context, features, tiers and how many nodes. */
import type { FastifyInstance } from 'fastify';
import type { Catalogue } from '../catalogue';
import type { GatewayConfig } from '../config';
import { modelNamed } from './modelName';

/** Adds the paths to the server. The names of models may have slashes, plain or encoded. */
export function addModels(
    server: FastifyInstance,
    config: Pick<GatewayConfig, 'models'>,
    catalogue: Pick<Catalogue, 'list' | 'find'>,
): void {
    server.get('/v1/models', async () => ({ object: 'list', data: await catalogue.list() }));
    server.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params: { '*': model } }) => {
        return catalogue.find(modelNamed(model, Object.keys(config.models)));
    });
}
