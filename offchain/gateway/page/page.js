/** The gateway's page: asks for its data every few seconds and shows it. */
import { clock, element, figure, nothing, number, plural, table, time, ton } from './parts.js';
import { columns, rows } from './plots.js';

const EVERY_MS = 5000;
const WAIT_MS = 10_000; // for the gateway
const STORED = 'cocoon-key';

const get = (id) => document.getElementById(id);
const drawn = new Map(); // what each place shows, as text
let data;
let isPaused = false;
let timer;

/** Draws a place anew only if what it shows has changed, so that focus and selection stay. */
function draw(id, shown, make) {
    const text = JSON.stringify(shown);
    if (drawn.get(id) !== text) {
        drawn.set(id, text);
        get(id).replaceChildren(...[make(shown)].flat());
    }
}

function drawMoney({ money, budgets, at }) {
    const { escrow, inJobs, returning, paid, dayResetsAt, problem } = money;
    const read =
        escrow === null
            ? []
            : [
                  ['Balance', `${ton(escrow.balance)}`, 'TON'],
                  ['Free for new jobs', ton(escrow.available), 'TON'],
              ];
    draw(
        'money',
        [
            ...read,
            ['Tied up in jobs', ton(inJobs), 'TON'],
            ['Coming back', ton(returning), 'TON'],
            ['Paid by running jobs', ton(paid), 'TON'],
            ...(escrow === null
                ? []
                : [
                      ['Reserve', ton(escrow.reserve), 'TON'],
                      ['Limit of one job', ton(escrow.jobLimit), 'TON'],
                  ]),
        ],
        (list) => list.map(figure),
    );

    const limits = [];
    if (escrow !== null) {
        limits.push(['Day limit of the escrow', escrow.daySpent, escrow.dayLimit, dayResetsAt, '']);
    }
    for (const [period, budget] of Object.entries(budgets ?? {})) {
        if (budget.limit !== null) {
            const reserved = budget.reserved === '0' ? '' : `, ${ton(budget.reserved)} reserved`;
            limits.push([`Your ${period} budget`, budget.spent, budget.limit, budget.resetsAt, reserved]);
        }
    }
    draw('day', limits, (list) =>
        list.flatMap(([name, spent, limit, resets, more], i) => {
            const share = limit === '0' ? 1 : Number((BigInt(spent) * 1000n) / BigInt(limit)) / 1000;
            const bar = element('meter', {
                id: `limit-${i}`,
                min: 0,
                max: 1,
                high: 0.8,
                optimum: 0,
                value: Math.min(1, share),
            });
            const text = `${name}: ${ton(spent)} of ${ton(limit)} TON spent${more}; begins anew ${time(resets)}`;
            return [element('label', { for: `limit-${i}`, class: 'small' }, text), bar];
        }),
    );
    const age = escrow === null ? 'The escrow was not read yet.' : `Escrow read ${ageText(at - escrow.readAt)}. `;
    get('money-note').textContent = `${age} The day limit counts deposits of jobs; what comes back does not lower it.`;
    const words = problem === null ? '' : `The chain cannot be read now: ${problem}. What it said last is shown.`;
    get('problem').textContent = words;
    get('problem').hidden = problem === null;
}

const ageText = (seconds) =>
    seconds < 60 ? 'less than a minute ago' : `${plural(Math.round(seconds / 60), 'minute')} ago`;

const bar = ({ name, cost, queries, tokens }, shownName = name) => ({
    name: shownName,
    value: Number(cost) / 1e9,
    short: `${ton(cost)} TON`,
    text: `${shownName}: ${ton(cost)} TON, ${number(queries)} ${queries === 1 ? 'query' : 'queries'}, ${plural(tokens, 'token')}`,
});

/** Every day of the period, also those without spend. */
function daysOf({ days, byDay }, at) {
    const byName = new Map(byDay.map((day) => [day.name, day]));
    return Array.from({ length: days }, (_, i) => {
        const name = new Date((at - (days - 1 - i) * 86_400) * 1000).toISOString().slice(0, 10);
        return byName.get(name) ?? { name, cost: '0', queries: 0, tokens: 0 };
    });
}

const widthOf = (id) => Math.max(240, Math.floor(get(id).clientWidth));

function drawSpend({ usage, at }) {
    const days = daysOf(usage, at);
    const total = days.reduce((sum, { cost }) => sum + BigInt(cost), 0n);
    draw('by-day', [widthOf('by-day'), days], ([width, list]) =>
        columns(
            list.map((day) => ({ ...bar(day), name: day.name.slice(5) })),
            {
                width,
                label: `Spend by day: ${ton(total)} TON in ${usage.days} days. The table below has the values.`,
                unit: (value) => ton(BigInt(Math.round(value * 1e9))),
            },
        ),
    );
    const head = ['Day', '#TON', '#Queries', '#Tokens'];
    const line = ({ name, cost, queries, tokens }) => [name, ton(cost), number(queries), number(tokens)];
    draw('by-day-table', usage.byDay, (list) =>
        list.length === 0
            ? nothing('Nothing was spent.')
            : table('Spend by day', head, [...list].reverse().map(line), { isSlim: true }),
    );
    for (const [id, list, named] of [
        ['by-model', usage.byModel, (name) => name],
        ['by-key', usage.byKey, (name) => name || 'without a key'],
    ]) {
        draw(id, [widthOf(id), list], ([width, sums]) => {
            const bars = sums.slice(0, 12).map((sum) => bar(sum, named(sum.name)));
            const label = `${id === 'by-model' ? 'Spend by model' : 'Spend by key'}. ${bars.map(({ text }) => text).join('. ')}`;
            return bars.length === 0 ? nothing('Nothing was spent.') : rows(bars, { width, label });
        });
    }
}

function drawJobs({ jobs, jobCount }) {
    const head = ['Job', 'State', 'Model', 'Tier', '#Paid', '#Deposit', '#Answers', 'Ends', 'Worker'];
    const lines = jobs.map((job) => [
        String(job.job),
        `${job.phase === 'open' && !job.connected ? 'open, disconnected' : job.phase}${job.note === '' ? '' : `: ${job.note}`}`,
        job.model,
        job.tier,
        ton(job.paid),
        ton(job.deposit),
        number(job.results),
        time(job.end),
        job.worker,
    ]);
    const caption =
        jobCount > jobs.length ? `The newest ${jobs.length} of ${jobCount} jobs; amounts in TON` : 'Amounts in TON';
    draw('jobs', lines, () =>
        lines.length === 0 ? nothing('No job yet. The first request opens one.') : table(caption, head, lines),
    );
}

const speedOf = ({ firstTokenMs, tokensPerSecond }) =>
    [
        ...(firstTokenMs === null ? [] : [`${(firstTokenMs / 1000).toFixed(1)} s to the first token`]),
        ...(tokensPerSecond === null ? [] : [`${Math.round(tokensPerSecond)} tokens/s`]),
    ].join(', ') || 'not measured';

function drawNodes({ models }) {
    const head = ['Node', 'Used?', 'Tier', '#Prompt', '#Answer', '#Context', 'Speed', 'Features'];
    draw(
        'nodes',
        models.map(({ model, nodes }) => ({ model, nodes })),
        (list) =>
            list.map(({ model, nodes }) => {
                const usable = nodes.filter((node) => node.usable).length;
                const lines = nodes.map((node) => [
                    node.worker,
                    element('span', { class: node.usable ? 'good' : 'bad' }, node.usable ? 'yes' : `no: ${node.state}`),
                    node.tier ?? 'unknown',
                    node.rates === null ? 'unknown' : ton(node.rates.prompt),
                    node.rates === null ? 'unknown' : ton(node.rates.completion),
                    node.context === null ? 'unknown' : number(node.context),
                    speedOf(node),
                    node.features.join(', ') || 'chat',
                ]);
                const caption = `${model}: ${usable} of ${plural(nodes.length, 'node')} can be used; prices in TON per million tokens`;
                return nodes.length === 0 ? nothing(`${model}: no node is known.`) : table(caption, head, lines);
            }),
    );
}

function drawRequests({ requests, errors, spoiled }) {
    const { all, answered, refused, failed, cut, running, since } = requests;
    draw(
        'requests',
        [
            ['Running now', number(running)],
            ['All', number(all)],
            ['Answered', number(answered)],
            ['Refused (4xx)', number(refused)],
            ['Failed (5xx)', number(failed)],
            ['Cut off', number(cut)],
        ],
        (list) => list.map(figure),
    );
    const spoilt = `Nodes spoiled ${plural(spoiled.today, 'job')} in 24 hours; at most ${spoiled.max} may count, ${spoiled.count} do.`;
    get('requests-note').textContent = `Since ${time(since)}. ${spoilt}`;
    const head = ['Time', 'Status', 'Code', 'Path', 'Model', 'API key', 'Request'];
    const lines = errors.map(({ at, status, code, path, model, key, requestId }) => [
        time(at),
        String(status),
        code,
        path,
        model ?? 'none',
        key || 'none',
        requestId,
    ]);
    draw('errors', lines, () => (lines.length === 0 ? nothing('No errors.') : table('Newest first', head, lines)));
}

function show() {
    get('sections').hidden = false;
    get('door').hidden = true;
    drawMoney(data);
    drawSpend(data);
    drawJobs(data);
    drawNodes(data);
    drawRequests(data);
    get('updated').textContent = clock(data.at);
    get('updated').setAttribute('datetime', new Date(data.at * 1000).toISOString());
}

/** Screen readers say the state when it changes, and only then. */
function tell(text, kind) {
    const state = get('state');
    if (state.textContent !== text) {
        state.textContent = text;
        state.className = `state ${kind}`;
    }
}

function headersOf(key) {
    if (key === null) return {};
    return key.startsWith('sk-') ? { authorization: `Bearer ${key}` } : { 'x-cocoon-admin': key };
}

function askForKey(problem) {
    data = undefined;
    drawn.clear();
    get('sections').hidden = true;
    const wasHidden = get('door').hidden;
    get('door').hidden = false;
    get('door-problem').textContent = problem;
    get('forget').hidden = true;
    tell('Needs a key', 'bad');
    if (wasHidden || problem !== '') get('key').focus();
}

async function refresh() {
    clearTimeout(timer);
    const key = sessionStorage.getItem(STORED);
    try {
        const response = await fetch('/page/data', { headers: headersOf(key), signal: AbortSignal.timeout(WAIT_MS) });
        const body = await response.json();
        if (response.status === 401) {
            sessionStorage.removeItem(STORED);
            askForKey(key === null ? '' : body.error.message);
            return;
        }
        if (!response.ok) throw new Error(body.error?.message ?? `status ${response.status}`);
        data = body;
        get('forget').hidden = key === null;
        tell(
            data.money.problem === null ? 'Running' : 'Running, chain unreachable',
            data.money.problem === null ? 'good' : 'bad',
        );
        show();
    } catch (error) {
        const isUnreachable = error instanceof TypeError || error.name === 'TimeoutError';
        tell(isUnreachable ? 'The gateway does not answer' : `Error: ${error.message}`, 'bad');
    }
    if (!isPaused) timer = setTimeout(refresh, EVERY_MS);
}

get('pause').addEventListener('click', () => {
    isPaused = !isPaused;
    get('pause').textContent = isPaused ? 'Resume' : 'Pause';
    if (isPaused) clearTimeout(timer);
    else void refresh();
});
get('forget').addEventListener('click', () => {
    sessionStorage.removeItem(STORED);
    void refresh();
});
get('door').addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem(STORED, get('key').value.trim());
    get('key').value = '';
    void refresh();
});
addEventListener('resize', () => data && drawSpend(data));
document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer);
    else if (!isPaused) void refresh();
});
void refresh();
