/** Shows for each node of a model whether it fits this gateway, and why not. */
import { type Rates, tokenKinds } from '@cocoon-market/wrappers';
import { reasonOf } from '../process/errors';
import type { JobBook } from './book';
import type { GatewayContext } from './context';
import { NO_NEEDS } from './needs';
import { routedNode } from './nodes';
import type { NodeView } from './views';

type Parts = Pick<GatewayContext, 'nodes' | 'config'>;

/** Every known worker of a model, the ones that fit first. Asks each of them, and the chain. */
export async function matchNodes({ nodes }: Parts, book: Pick<JobBook, 'open'>, model: string): Promise<NodeView[]> {
    const urls = await nodes.workers(model);
    const checked = await Promise.all(
        urls.map(async (url) => ({ url, candidate: await nodes.check(url, model).catch(reasonOf) })),
    );
    const fit = checked.flatMap(({ candidate }) => (typeof candidate === 'string' ? [] : [candidate]));
    const weights = nodes.weights(
        fit.map((one) => ({ ...routedNode(one), jobs: 0 })),
        { needed: NO_NEEDS },
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const views = checked.map(({ url, candidate }): NodeView => {
        const jobs = book.open(model).filter(({ stored }) => stored.worker === url);
        const own = { worker: url, jobs: jobs.length, running: jobs.reduce((count, job) => count + job.running, 0) };
        const { delay, speed, success } = nodes.stats.of(url);
        const measured = { delay: delay ?? null, speed: speed ?? null, success };
        const announced = nodes.announced(url)?.[0];
        if (typeof candidate === 'string') {
            const offer = announced && nodes.announcedRates(url, model);
            return {
                ...{ ...own, model, fits: false, reason: candidate, share: 0 },
                ...{ node: announced?.node ?? null, provider: announced?.provider ?? null },
                ...{ tier: announced?.tier ?? null, region: announced?.region ?? null, covered: null },
                ...{ rates: offer === undefined ? null : texts(offer), features: [], context: null, measured },
            };
        }
        const { info, rates } = candidate;
        const standing = nodes.standing(info.node);
        const offer = info.offers.find((one) => one.model === model);
        const share = sum === 0 ? 0 : weights[fit.indexOf(candidate)] / sum;
        return {
            ...{ ...own, model, fits: true, share: Math.round(share * 1000) / 1000 },
            reason: nodes.bans.isCool(url) ? 'fits, and comes last: it did not answer a moment ago' : 'fits',
            ...{ node: info.node, provider: info.provider, tier: info.attestation.tier },
            ...{ region: standing?.region ?? announced?.region ?? null, covered: standing?.covered ?? null },
            ...{ rates: texts(rates), features: offer?.features ?? [], context: offer?.context ?? null, measured },
        };
    });
    return views.sort((a, b) => b.share - a.share || Number(b.fits) - Number(a.fits));
}

const texts = (rates: Rates) =>
    Object.fromEntries(tokenKinds.map((kind) => [kind, rates[kind].toString()])) as NonNullable<NodeView['rates']>;
