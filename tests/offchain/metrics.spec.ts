/** The metrics of both processes, and the alerts and the dashboard that read them. */
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';
import pino from 'pino';
import { request } from 'undici';
import { parse } from 'yaml';
import { GatewayMetrics } from '../../offchain/gateway/metrics';
import { addSources } from '../../offchain/gateway/metricSources';
import { BoundedLabel, readGauge, serveMetrics, tonNumber } from '../../offchain/process/metrics';
import { NO_JOBS } from '../../offchain/store/jobSums';
import { alertSeverities } from '../../offchain/worker/alerts/board';
import { WorkerMetrics } from '../../offchain/worker/metrics';
import { Reason } from '@cocoon-market/wrappers';

const log = pino({ level: 'silent' });

function bothNames(): Set<string> {
    const gateway = new GatewayMetrics();
    addSources(gateway, { context: { log } } as never);
    const worker = new WorkerMetrics();
    worker.addSources(log, {} as never);
    const all = [...gateway.registry.getMetricsAsArray(), ...worker.registry.getMetricsAsArray()];
    return new Set(
        all.flatMap(({ name, type }) => (String(type) === 'histogram' ? [`${name}_bucket`, `${name}_count`] : [name])),
    );
}

const namesIn = (text: string): string[] => text.match(/cocoon_(gateway|worker)_[a-z_]+/g) ?? [];

const text = { type: 'string', minLength: 1 };
const fixed = (properties: Record<string, object>, optional: Record<string, object> = {}) => ({
    type: 'object',
    required: Object.keys(properties),
    properties: { ...properties, ...optional },
    additionalProperties: false,
});
const some = (properties: Record<string, object>) => ({ ...fixed(properties), additionalProperties: true });
const PANEL = fixed(
    {
        id: { type: 'integer' },
        title: text,
        type: { enum: ['stat', 'timeseries'] },
        datasource: fixed({ type: { const: 'prometheus' }, uid: { const: '${datasource}' } }),
        gridPos: fixed({
            ...{ h: { const: 8 }, w: { const: 8 } },
            ...{ x: { enum: [0, 8, 16] }, y: { type: 'integer', multipleOf: 8 } },
        }),
        fieldConfig: fixed({ defaults: some({ unit: text }), overrides: { type: 'array', maxItems: 0 } }),
        targets: {
            ...{ type: 'array', minItems: 1 },
            items: fixed({ refId: text, expr: text, legendFormat: text }),
        },
    },
    { description: text, options: { type: 'object' } },
);
const DASHBOARD = some({
    uid: text,
    schemaVersion: { const: 39 },
    templating: some({ list: { type: 'array', items: some({ name: text, type: text }) } }),
    panels: { type: 'array', items: PANEL },
});

interface Panel {
    id: number;
    gridPos: { x: number; y: number };
}

interface Rule {
    alert: string;
    expr: string;
    for: string;
    labels: { severity: string };
    annotations: { summary: string; description: string };
}

describe('The examples for Prometheus and Grafana', () => {
    it('alert on metrics that exist, each with a time, a severity and what to do', () => {
        const { groups } = parse(readFileSync('ops/alerts.yml', 'utf8')) as {
            groups: { name: string; rules: Rule[] }[];
        };
        const rules = groups.flatMap((group) => group.rules);
        const names = bothNames();

        expect(rules.length).toBeGreaterThan(10);
        expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
        for (const rule of rules) {
            expect(namesIn(rule.expr).filter((name) => !names.has(name))).toEqual([]);
            expect(rule).toMatchObject({
                for: expect.stringMatching(/^\d+[mh]$/) as unknown,
                labels: { severity: expect.stringMatching(/^(critical|warning|info)$/) as unknown },
                annotations: {
                    summary: expect.stringMatching(/.{10}/) as unknown,
                    description: expect.any(String) as unknown,
                },
            });
        }
    });

    it('alert on everything that a worker raises', () => {
        const text = readFileSync('ops/alerts.yml', 'utf8');
        const covered = [...text.matchAll(/cocoon_worker_alerts\{alert="(\w+)"\}/g)].map(([, name]) => name);
        // A worker that ended tells nothing itself, and each backend has a metric of its own.
        const others = { stopped: 'CocoonWorkerDown', backend: 'CocoonBackendDown' };
        expect([...covered, ...Object.keys(others)].sort()).toEqual(Object.keys(alertSeverities).sort());
        Object.values(others).forEach((rule) => expect(text).toContain(`alert: ${rule}\n`));
    });

    it('are a dashboard of the form that Grafana imports', () => {
        const dashboard = JSON.parse(readFileSync('ops/dashboard.json', 'utf8')) as { panels: Panel[] };
        const validate = new Ajv().compile(DASHBOARD);
        validate(dashboard);
        expect(validate.errors).toBeNull();
        const { panels } = dashboard;
        expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
        const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
        expect(new Set(places).size).toBe(panels.length); // all are 8 wide and 8 high
    });

    it('show metrics that exist, in panels with a title', () => {
        const text = readFileSync('ops/dashboard.json', 'utf8');
        const { panels } = JSON.parse(text) as { panels: { title: string; targets: { expr: string }[] }[] };
        const names = bothNames();

        expect(panels.map(({ title }) => title).filter((title) => title === '')).toEqual([]);
        expect(panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => namesIn(expr)))).not.toEqual([]);
        expect(namesIn(text).filter((name) => !names.has(name))).toEqual([]);
    });

    it('count every state of nodes for each model, also without a node, so that the alert can fire', async () => {
        const gateway = new GatewayMetrics();
        const nodes = { states: async (model: string) => (model === 'idle' ? [] : [{ state: 'ok, comes last: x' }]) };
        const context = { log, nodes, config: { models: { idle: {}, busy: {} } } };
        addSources(gateway, { context } as never);

        const lines = (await gateway.registry.getSingleMetricAsString('cocoon_gateway_nodes')).split('\n');
        const counts = lines.filter((line) => line.startsWith('cocoon_gateway_nodes{'));
        expect(counts.sort()).toEqual(
            ['busy', 'idle'].flatMap((model) =>
                ['banned', 'cooling', 'ok', 'unfit'].map(
                    (state) =>
                        `cocoon_gateway_nodes{model="${model}",state="${state}"} ` +
                        (model === 'busy' && state === 'cooling' ? '1' : '0'),
                ),
            ),
        );
    });

    it('read the ports that the guide names', () => {
        const { scrape_configs: jobs, rule_files: files } = parse(readFileSync('ops/prometheus.yml', 'utf8')) as {
            scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
            rule_files: string[];
        };
        expect(jobs.map(({ job_name: name }) => name)).toEqual(['cocoon-gateway', 'cocoon-worker']);
        expect(files).toEqual(['alerts.yml']);

        const guide = readFileSync('docs/operations.md', 'utf8');
        const ports = /"metrics": \{"port": (\d+)\}` for\s+the gateway and (\d+) for the worker/.exec(guide)?.slice(1);
        expect(ports).toHaveLength(2);
        expect(jobs.map((job) => job.static_configs.flatMap(({ targets }) => targets))).toEqual(
            ports!.map((port) => [`127.0.0.1:${port}`]),
        );
    });
});

describe('Metrics', () => {
    it('take so many values of a label, and call further ones other', () => {
        const label = new BoundedLabel(2);
        expect(['a', 'b', 'c', 'a', 'd'].map((value) => label.of(value))).toEqual(['a', 'b', 'other', 'a', 'other']);
    });

    it('of a worker count endings, tokens, TON and refusals', async () => {
        const metrics = new WorkerMetrics();
        metrics.addResult({ prompt: 3, cached: 1, completion: 2, reasoning: 0 });
        metrics.addSigned('decline', Reason.TooBusy);
        metrics.addUnsigned('bad_voucher');
        const sums = {
            open: { ...NO_JOBS, jobs: 2, results: 6, earned: 2n * 10n ** 9n, unclaimed: 5n * 10n ** 8n },
            ending: NO_JOBS,
            ended: { ...NO_JOBS, jobs: 1, results: 1, earned: 10n ** 9n, claimed: 25n * 10n ** 8n },
        };
        metrics.addSources(log, {
            store: {
                earnings: { sums: async () => sums },
                cases: { open: async () => [{}] },
            },
            running: async () => 4,
            readiness: () => ({ ready: false, reasons: ['x'] }),
            alerts: () => [{ alert: 'wallet' }],
            walletBalance: () => 10n ** 8n,
            load: () => ({
                models: [{ model: 'a', available: true, running: 2, waiting: 1, throughput: 40, tokensPerSecond: 20 }],
                backends: [{ name: 'gpu', running: 2, outage: { message: 'x' } }],
            }),
        } as never);

        const text = await metrics.registry.metrics();
        for (const line of [
            'queries_total{end="result"} 1',
            'queries_total{end="decline"} 1',
            'tokens_total{kind="prompt"} 3',
            'refusals_total{reason="TooBusy"} 1',
            'refusals_total{reason="bad_voucher"} 1',
            'running_queries 4',
            'results_stored 7',
            'earned_ton 3',
            'claimed_ton 2.5',
            'open_cases 1',
            'ready 0',
            'wallet_ton 0.1',
            'model_available{model="a"} 1',
            'model_waiting{model="a"} 1',
            'model_throughput_tokens{model="a"} 40',
            'backend_up{backend="gpu"} 0',
            'backend_running{backend="gpu"} 2',
            'alerts{alert="wallet",severity="warning"} 1',
            'alerts{alert="stake",severity="critical"} 0',
            'unclaimed_ton 0.5',
            'jobs{stage="open"} 2',
            'jobs{stage="ended"} 1',
        ]) {
            expect(text).toContain(`\ncocoon_worker_${line}\n`);
        }
        expect(text).not.toContain('model_first_token_seconds{'); // no answer yet
    });

    it('are served on a port of their own, and a value that cannot be read is left out', async () => {
        const { registry } = new WorkerMetrics();
        readGauge(registry, { name: 'lost', help: 'x', log, read: () => Promise.reject(new Error('no')) });
        const { url, close } = await serveMetrics(registry, { host: '127.0.0.1', port: 0 });
        const answer = await request(url);
        const text = await answer.body.text();
        await close();

        expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
        expect(text).toContain('# TYPE lost gauge');
        expect(text).not.toMatch(/^lost /m);
        expect(text).toContain('process_resident_memory_bytes');
    });

    it('tell TON exactly enough for a graph', () => {
        expect([1n, 1_500_000_000n, '20000000000'].map(tonNumber)).toEqual([0.000000001, 1.5, 20]);
    });
});
