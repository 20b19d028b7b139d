/** What every number of the page means, and over which time. */
import { definitions } from '../indexer/definitions';

export const pageDefinitions = {
    ...definitions,
    today: 'the day in UTC by the clock of the machine that serves the page',
    alive:
        'the index has read a block within the last five minutes, the registry is not paused, and at least one open ' +
        'node sells',
    block: 'the newest block of the masterchain up to which a whole reading of the market succeeded, and how long ago it began',
    paid: 'claimed: nanoTON that channels paid to payouts on the day or in the window',
    perGpuDay:
        "claimed in 7 days, divided by seven and by the GPUs of the supply now; a mean over idle and busy ones, before the provider's costs",
    freeStake: 'stake less what is required by nodes and frozen by cases',
    queriesPerGpu: 'demand of a model in queries a day, for each GPU of the open nodes that offer it',
    models: 'named by SHA-256 on chain; a name is shown if its hash is the one on chain and this release, or --models, has the name',
    latestJobs: 'the jobs in which something happened last, the newest first',
    prompt: 'nanoTON per million tokens of the prompt that no cache answered',
    cached: 'nanoTON per million tokens of the prompt that a cache answered',
    completion: 'nanoTON per million tokens of the answer',
    reasoning: 'nanoTON per million tokens that the model thinks before it answers',
    gpus: 'GPUs as nodes announced them; nobody has counted them',
    vram: 'GB of one GPU, as announced',
    region: 'as the node announced it, a text of its provider',
    stakeRequired: 'nanoTON that the rules require for the open nodes of the provider',
    frozen: 'nanoTON of stake that open cases hold until they end',
    unbonding: 'nanoTON on their way out of the stake',
    joinedAt: 'when the provider joined the registry',
    measured:
        'speed and success as one gateway measured them; it names itself and the time, and others may measure otherwise',
} as const;

export type DefinitionName = keyof typeof pageDefinitions;
