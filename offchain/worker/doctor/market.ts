/** Checks of the chain: endpoints, clock, node, stake, wallet, library. They read and send nothing. */
import { channelLibrary, formatTon, Library, Provider } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';
import {
    type Chain,
    endpointsOf,
    type ListedNode,
    NodeClosed,
    readLiability,
    readNode,
    TonHttpChain,
} from '../../chain';
import { ChainError } from '../../chain/errors';
import { CLOCK_TOLERANCE, differenceOf } from '../../link';
import { addressText, walletText } from '../../process/addresses';
import { Remedied } from '../../process/errors';
import { isOnThisMachine } from '../../process/publicAddress';
import type { WorkerConfig } from '../config';
import { assertOwner } from '../owner';
import { DEMAND_RESERVE, MIN_WALLET } from '../reserves';
import { type Check, Failure, skipped, warning } from './finding';
import { markOf, RESTORE } from './machine';

// cspell:ignore timedatectl
const DAY = 86_400;
const LIBRARY_DAYS = 30; // before the end of a library's rent
const SLOW_MS = 3000;
const NEW_SECONDS = 1800; // in which a node may be without a worker that has run
const NEW_TRANSACTIONS = 20; // that a new node does not have

const tonOf = (nano: bigint): string => `${formatTon(nano)} TON`;

/** The public keys of a worker. */
export type PublicKeys = Record<'receiptKey' | 'encryptionKey', Buffer>;

/** The readings that several checks share: each is made once. */
export interface ChainSubject {
    config: WorkerConfig;
    keys: PublicKeys | undefined; // undefined: the key file cannot be read
    chain: Chain;
    wallet: Address | undefined;
    node: Promise<ListedNode | undefined>; // undefined: the configuration names no registry
    now: () => number;
}

/** What to do if the chain does not answer. */
export const ENDPOINT = 'look at "endpoint" in the configuration and at the network; add a second endpoint to the list';

/** Seconds that a check of the chain may take: an endpoint without a key takes one call a second. */
export function chainSeconds(config: WorkerConfig): number {
    return endpointsOf(config).some(({ url, apiKey }) => !apiKey && !isOnThisMachine(url)) ? 30 : 12;
}

export function endpointCheck(config: WorkerConfig, shared: Chain): Check {
    return {
        name: 'endpoints',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            const chain = shared instanceof TonHttpChain ? shared : new TonHttpChain(config);
            const settings = endpointsOf(config);
            const answers = await Promise.all(
                chain.sources.map(async (source, i) => {
                    const since = performance.now();
                    const error = await source.account(config.node).then(
                        () => undefined,
                        (reason: Error) => reason,
                    );
                    return { name: chain.api.names[i], settings: settings[i], error, ms: performance.now() - since };
                }),
            );
            const wrong = answers.find(({ error }) => error instanceof ChainError && error.otherNetwork);
            if (wrong !== undefined) {
                const remedy = 'name an endpoint of the network that "network" says: -239 mainnet, -3 testnet';
                throw new Failure(wrong.error!.message, remedy, true);
            }
            const down = answers.filter(({ error }) => error !== undefined);
            if (down.length === answers.length) {
                throw new Error(`no endpoint answers: ${down.map(({ error }) => error!.message).join('; ')}`);
            }
            if (down.length > 0) {
                return warning(down.map(({ error }) => error!.message).join('; '), ENDPOINT);
            }
            const keyless = answers.find(({ settings: { url, apiKey } }) => !apiKey && !isOnThisMachine(url));
            if (keyless !== undefined) {
                const text = `${keyless.name} takes one call a second without a key`;
                return warning(text, 'get a key of the provider of the endpoint, and set "apiKey"');
            }
            const slow = answers.find(({ ms }) => ms > SLOW_MS);
            return slow === undefined
                ? answers.map(({ name, ms }) => `${name} answers in ${Math.round(ms)} ms`).join('; ')
                : warning(`${slow.name} takes ${(slow.ms / 1000).toFixed(1)} s for an answer`, ENDPOINT);
        },
    };
}

export function clockCheck({ config, chain, now }: ChainSubject): Check {
    return {
        name: 'clock',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            const { at } = await chain.account(config.node);
            const offset = at - now();
            const text = `the clock of the chain is ${Math.abs(offset)} s ${offset < 0 ? 'behind' : 'ahead of'} this machine's`;
            if (Math.abs(offset) > CLOCK_TOLERANCE) {
                const remedy =
                    'set the clock of this machine (timedatectl set-ntp true): receipts with a wrong time are refused';
                throw new Failure(text, remedy);
            }
            return text;
        },
    };
}

export function nodeCheck({ config, keys, node }: ChainSubject): Check {
    return {
        name: 'node',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            const text = addressText(config.node, config);
            let listed: ListedNode | undefined;
            try {
                listed = await node;
            } catch (error) {
                if (error instanceof NodeClosed) {
                    const remedy =
                        'keep the worker running until its jobs and cases are over; register a new node to serve again';
                    throw new Failure(`the node ${text} is closed: clients leave it`, remedy);
                }
                if (error instanceof ChainError) {
                    throw error;
                }
                const remedy =
                    'check "node", "registry", "network" and "endpoint"; "cocoon worker init" registers a node and writes them';
                throw new Failure((error as Error).message, remedy, true);
            }
            if (listed === undefined) {
                const remedy =
                    'add "registry": without it the worker does not notice that the chain says something else';
                return warning('the configuration names no registry, so the node is not compared', remedy);
            }
            const provider = listed.provider;
            if (!provider.equals(config.provider)) {
                const remedy = `set "provider" to ${addressText(provider, config)}`;
                throw new Failure(
                    `the node ${text} belongs to another provider than the configuration says`,
                    remedy,
                    true,
                );
            }
            if (keys === undefined) {
                return skipped('the keys cannot be read');
            }
            const difference = differenceOf({ ...keys, offers: config.offers }, listed);
            if (difference !== undefined) {
                const isOtherKey = differenceOf({ ...keys, offers: [] }, listed) !== undefined;
                const remedy = isOtherKey
                    ? 'name the key file of this node, or register its public keys with "cocoon worker init"'
                    : 'bring them into step with "cocoon worker prices"';
                const blocks = differenceOf({ ...keys, offers: [] }, listed) !== undefined;
                throw new Failure(`the node on chain is not that of this worker: ${difference}`, remedy, blocks);
            }
            return `${text} is open, with these keys, models and rates`;
        },
    };
}

/** For a worker whose key has no mark here: a node that is not new has most likely signed elsewhere. */
export function newKeyCheck({ config, chain, now }: ChainSubject): Check {
    return {
        name: 'new-key',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            const since = now() - NEW_SECONDS;
            let transactions = 0;
            for await (const { at } of chain.history(config.node, 0n)) {
                transactions++;
                if (at < since || transactions === NEW_TRANSACTIONS) {
                    const text = `the node is not new on chain, and ${markOf(config.keyFile)} does not exist`;
                    return warning(
                        text,
                        `go on if this key has never signed; else stop its other worker, and ${RESTORE}`,
                    );
                }
            }
            return 'the node is new on chain';
        },
    };
}

export function stakeCheck({ config, chain, node, keys }: ChainSubject): Check {
    return {
        name: 'stake',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            const listed = await node.catch(() => undefined);
            if (listed === undefined) {
                return skipped('the node is not read');
            }
            const provider = chain.open(Provider.fromAddress(listed.provider));
            const [{ stake, requiredStake }, standing] = await Promise.all([
                provider.getProviderState(),
                provider.getStanding(),
            ]);
            if (stake < requiredStake) {
                const missing = requiredStake - stake;
                throw new Failure(
                    `the stake of ${tonOf(stake)} is less than the ${tonOf(requiredStake)} that the nodes require: clients skip them`,
                    `add ${tonOf(missing)} of stake: "cocoon worker init" prints what the owner's wallet signs`,
                );
            }
            if (standing.jailed) {
                const until = new Date(Number(standing.jailedUntil) * 1000).toISOString();
                const remedy =
                    'find out which demand had no answer. After that time run "cocoon worker init": the owner leaves jail with it';
                throw new Failure(`the provider is in jail until ${until}, after ${standing.strikes} strikes`, remedy);
            }
            if (keys !== undefined) {
                const { receiptKey } = keys;
                const keyOnChain = listed.receiptKey.equals(receiptKey);
                const liability = { node: config.node, provider: listed.provider, receiptKey };
                const { rejection } = keyOnChain ? await readLiability(chain, liability) : { rejection: undefined };
                if (rejection !== undefined) {
                    const remedy = 'register a new receipt key for the node (docs/worker.md, After a disaster)';
                    throw new Failure(`clients refuse this node: ${rejection}`, remedy);
                }
            }
            if (standing.cases > 0n) {
                const remedy = '"cocoon worker status" lists the cases of this node; keep the worker running';
                return warning(`${standing.cases} cases of the provider are open`, remedy);
            }
            return `${tonOf(stake)}, of which the nodes require ${tonOf(requiredStake)}`;
        },
    };
}

export function walletCheck({ config, chain, wallet }: ChainSubject): Check {
    return {
        name: 'wallet',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            if (wallet === undefined) {
                return skipped('the keys cannot be read');
            }
            const { balance } = await chain.account(wallet);
            const text = walletText(wallet, config);
            const remedy = `send ${tonOf(DEMAND_RESERVE)} to ${text}: it pays for claims and for answers to demands`;
            if (balance < MIN_WALLET) {
                throw new Failure(
                    `the worker's wallet holds ${tonOf(balance)}: it cannot claim or answer a demand`,
                    remedy,
                );
            }
            return balance < config.alerts.walletBelow
                ? warning(`the worker's wallet holds only ${tonOf(balance)}`, remedy)
                : `${text} holds ${tonOf(balance)}`;
        },
    };
}

/** The sweeper would find it only when there is something to send. */
export function sweepCheck({ config, chain }: ChainSubject): Check {
    return {
        name: 'sweep',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            if (config.sweep === undefined) {
                return 'the configuration names no "sweep": what is earned stays in the wallet of the worker';
            }
            try {
                await assertOwner({ chain, config }, config.sweep.to);
            } catch (error) {
                throw error instanceof Remedied ? new Failure(error.what, error.remedy!) : error;
            }
            return 'what is earned goes to the owner of the provider';
        },
    };
}

export function libraryCheck({ config, chain }: ChainSubject): Check {
    return {
        name: 'library',
        remedy: ENDPOINT,
        seconds: chainSeconds(config),
        run: async () => {
            if (config.channelCodes !== undefined) {
                return skipped('the configuration names the codes of channels');
            }
            const remedy =
                'anyone may publish it or pay its rent (publishLibrary, topUpLibrary); escrows with plain code need no library';
            const { hash } = await channelLibrary();
            const { address } = await Library.ofHash(hash);
            if ((await chain.account(address)).state !== 'active') {
                return warning('the code of channels is not published as a library on this network', remedy);
            }
            const seconds = Number(await chain.open(Library.fromAddress(address)).getRunway());
            const days = Math.floor(seconds / DAY);
            return days < LIBRARY_DAYS
                ? warning(`the rent of the channels' library is paid for ${days} days only`, remedy)
                : `the code of channels is published, and paid for ${days} days`;
        },
    };
}

/** The node as the chain has it; undefined when the configuration names no registry. */
export async function readListed(config: WorkerConfig, chain: Chain): Promise<ListedNode | undefined> {
    return config.registry && readNode(chain, config.registry, config.node);
}
