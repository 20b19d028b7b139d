/** What `/page/data` says of a gateway with much to show: long names, many nodes, and a name that tries to be HTML. */

const AT = 1_795_000_000; // unix seconds
const DAY = 86_400;
const HOSTILE = '<img src=x onerror="window.hole = true">';

const dateOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const rates = (prompt, completion) => ({ prompt, cached: prompt, completion, reasoning: completion });
const sum = (name, cost) => ({
    name,
    cost: String(cost),
    queries: 1 + Math.floor(cost / 7e6),
    tokens: Math.floor(cost / 1e4),
});

const node = (i, more) => ({
    worker: `https://worker-${i}.gpu-provider-with-a-long-name.example:8443/cocoon`,
    state: 'ok',
    usable: true,
    tier: 'tdx',
    rates: rates(String(90_000_000 + i * 5_000_000), String(380_000_000 + i * 20_000_000)),
    context: 131_072,
    features: ['tools', 'json', 'images', 'choices', 'logprobs', 'sampling', 'reasoning'],
    firstTokenMs: 400 + i * 130,
    tokensPerSecond: 90 - i * 9.5,
    ...more,
});

const job = (i, more) => ({
    job: i,
    phase: 'open',
    model: 'Qwen/Qwen3-235B-A22B-Instruct-2507',
    worker: node(i % 4).worker,
    tier: 'tdx',
    channel: '0:0000000000000000000000000000000000000000000000000000000000000000',
    deposit: '1000000000',
    available: '640000000',
    owed: '312400000',
    paid: '312400000',
    results: 214 + i,
    running: 3,
    unfinished: [],
    end: AT + 4 * DAY,
    connected: true,
    note: '',
    ...more,
});

export const busy = {
    at: AT,
    key: null,
    escrow: '0:0000000000000000000000000000000000000000000000000000000000000000',
    network: -3,
    money: {
        inJobs: '6412000000',
        returning: '731000000',
        paid: '2204123456',
        dayResetsAt: AT + DAY / 2,
        escrow: {
            ...{ balance: '41250000000', available: '41050000000', reserve: '200000000', dayLimit: '20000000000' },
            ...{
                daySpent: '17400000000',
                dayRemaining: '2600000000',
                jobLimit: '5000000000',
                seqno: 44,
                readAt: AT - 190,
            },
        },
        problem: 'the endpoint at http://127.0.0.1:18081/api/v2/jsonRPC did not answer',
    },
    budgets: null,
    jobs: [
        job(21),
        job(20, { model: HOSTILE }),
        job(19, { connected: false }),
        job(18, { phase: 'leaving', note: 'its worker did not end it within 15 minutes' }),
        job(17, { phase: 'settled' }),
    ],
    jobCount: 128,
    spoiled: { today: 3, count: 2, max: 8, causes: [] },
    models: [
        {
            model: 'Qwen/Qwen3-235B-A22B-Instruct-2507',
            checkedAt: AT,
            nodes: [
                node(0),
                node(1),
                node(2, { usable: false, state: 'asks more than maxPrice for completion tokens' }),
                node(3, {
                    usable: false,
                    state: 'its rates of Qwen differ: prompt is 1 on chain, not 2',
                    firstTokenMs: null,
                }),
                node(4, {
                    usable: false,
                    state: 'the worker did not answer',
                    tier: null,
                    rates: null,
                    context: null,
                    features: [],
                }),
            ],
        },
        { model: HOSTILE, checkedAt: AT, nodes: [node(5, { tier: 'open', features: [], tokensPerSecond: null })] },
        { model: 'bge-m3', checkedAt: null, nodes: [] },
    ],
    usage: {
        days: 30,
        byDay: Array.from({ length: 30 }, (_, i) =>
            sum(dateOf(AT - (29 - i) * DAY), Math.round(4e8 * (1.2 + Math.sin(i * 1.7)) + i * 2e7)),
        ).filter((_, i) => i % 7 !== 3),
        byModel: [
            sum('Qwen/Qwen3-235B-A22B-Instruct-2507', 9.1e9),
            sum('deepseek-ai/DeepSeek-V3.2', 3.4e9),
            sum(HOSTILE, 2e8),
            sum('bge-m3', 4e6),
        ],
        byKey: [sum('agents-of-the-research-team', 7.2e9), sum('web', 4.1e9), sum('', 1.3e9), sum('nightly', 1.04e8)],
    },
    requests: { since: AT - 3 * DAY, running: 12, all: 20_412, answered: 19_980, refused: 371, failed: 49, cut: 12 },
    errors: [
        ['no_node', 503, 'Qwen/Qwen3-235B-A22B-Instruct-2507', 'web'],
        ['insufficient_funds', 402, 'deepseek-ai/DeepSeek-V3.2', 'nightly'],
        ['unsupported_parameter', 400, null, ''],
    ].map(([code, status, model, key], i) => ({
        ...{ at: AT - i * 700, requestId: `req_9f2c4d5e6a7b8c9d0e1f2a3${i}`, path: '/v1/chat/completions' },
        ...{ status, code, model, key },
    })),
};
