/** Where the gateway gets the URLs of workers from. */
import type { GatewayConfig } from './config';
import type { AnnouncedNode } from '../market/directory';

/** Where nodes that may serve a model are found: the configured list, or the registry's events. */
export interface NodeSource {
    /** URLs of workers that may serve the model. Of announced ones, those that `isLast` names come last. */
    workers(model: string, isLast?: (node: AnnouncedNode) => boolean): Promise<string[]>;
    /** Whether an open job of a model at a worker may go on. Left out: if the worker is among {@link workers}. */
    keeps?(model: string, url: string): boolean;
    /** What the chain announces of the nodes at a URL; undefined if somebody else than the chain named it. */
    announced?(url: string): AnnouncedNode[] | undefined;
}

/** The workers of the configuration, and those that `found` adds. */
export function configuredNodes(config: Pick<GatewayConfig, 'workers' | 'models'>, found?: NodeSource): NodeSource {
    const urlsOf = (model: string) => config.models[model]?.workers ?? config.workers ?? [];
    const isConfigured = (url: string) => Object.keys(config.models).some((model) => urlsOf(model).includes(url));
    return {
        workers: async (model, isLast) => {
            return [...new Set([...urlsOf(model), ...((await found?.workers(model, isLast)) ?? [])])];
        },
        keeps: (model, url) => urlsOf(model).includes(url) || found?.keeps?.(model, url) === true,
        announced: (url) => (isConfigured(url) ? undefined : found?.announced?.(url)),
    };
}
