/** The files by which owners run the worker as a service: they start what the package has, without privileges. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(__dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const RUN = ['worker', 'run', '--config'];

/** Instructions of a Dockerfile in order, each with its arguments, by stage. */
function stagesOf(text: string): [string, string][][] {
    const lines = text
        .replace(/^#.*$/gm, '')
        .replace(/\\\n/g, ' ')
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '');
    const stages: [string, string][][] = [[]];
    for (const line of lines) {
        const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line)!;
        if (name === 'FROM') {
            stages.push([]);
        }
        stages.at(-1)!.push([name, rest]);
    }
    return stages.slice(1);
}

describe('The image', () => {
    const stages = stagesOf(read('ops/Dockerfile'));
    const last = stages.at(-1)!;
    const argumentsOf = (name: string) => last.filter(([each]) => each === name).map(([, rest]) => rest);

    it('has two stages on one version of Node.js that the package allows', () => {
        const [, version] = /^ARG NODE=(\d+)\.\d+\.\d+$/m.exec(read('ops/Dockerfile'))!;

        expect(stages.map(([[, from]]) => from)).toEqual([
            'node:${NODE}-bookworm AS build',
            'node:${NODE}-bookworm-slim',
        ]);
        expect((JSON.parse(read('offchain/package.json')) as { engines: { node: string } }).engines.node).toContain(
            `^${version}.`,
        );
    });

    it('runs the worker as a user without privileges, stops by SIGTERM, and tells its health', () => {
        const { bin } = JSON.parse(read('offchain/package.json')) as { bin: object };

        expect(Object.keys(bin)).toEqual(JSON.parse(argumentsOf('ENTRYPOINT')[0]));
        expect(JSON.parse(argumentsOf('CMD')[0])).toEqual([...RUN, '/data/worker.json']);
        expect(argumentsOf('USER')).toEqual(['node']);
        expect(argumentsOf('STOPSIGNAL')).toEqual(['SIGTERM']);
        expect(argumentsOf('HEALTHCHECK')[0]).toContain('process.env.COCOON_HEALTH');
    });

    it('is built without keys, stores and settings of this machine', () => {
        const ignored = read('ops/Dockerfile.dockerignore').split('\n');

        expect(ignored).toEqual(
            expect.arrayContaining(['**/.env', '**/*.key.json*', '**/*.sqlite*', '**/node_modules']),
        );
    });
});

interface Service {
    image: string;
    ports?: string[];
    user?: string;
    read_only?: boolean;
    cap_drop?: string[];
    security_opt?: string[];
    logging: { driver: string; options: object };
    healthcheck?: object;
    privileged?: boolean;
    restart: string;
}

describe('The Compose file', () => {
    const { services } = parse(read('ops/compose.yml'), { merge: true }) as { services: Record<string, Service> };

    it('pins its images, rotates its logs, restarts what ends, and makes nothing privileged', () => {
        for (const [name, { image, logging, restart, privileged }] of Object.entries(services)) {
            expect([name, image]).toEqual([name, expect.stringMatching(/^cocoon$|:v?\d+\.\d+\.\d+$/)]);
            expect([name, logging.driver, logging.options]).toEqual([
                name,
                'json-file',
                { 'max-size': '10m', 'max-file': '5' },
            ]);
            expect([name, restart, privileged]).toEqual([name, 'unless-stopped', undefined]);
        }
    });

    it('publishes the port of the worker and not that of the model', () => {
        expect([services.worker.ports, services.vllm.ports]).toEqual([['18090:18090'], undefined]);
        expect(services.worker).toMatchObject({
            read_only: true,
            cap_drop: ['ALL'],
            security_opt: ['no-new-privileges:true'],
        });
    });
});

describe.each([
    ['worker', 'cocoon worker run --config /var/lib/cocoon/worker.json'],
    ['gateway', 'cocoon gateway up --config /var/lib/cocoon-gateway/gateway.json'],
])('The service of systemd for a %s', (name, command) => {
    const unit = read(`ops/cocoon-${name}.service`);
    const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

    it('runs it again whatever ended it', () => {
        expect(unit).toContain(`\nExecStart=/usr/local/bin/${command}\n`);
        expect(unit).toMatch(/^Restart=always$/m);
        expect(unit).toMatch(/^StartLimitIntervalSec=0$/m);
    });

    it('may write only its own folder, and gains no rights', () => {
        for (const setting of [
            'NoNewPrivileges=true',
            'ProtectSystem=strict',
            'CapabilityBoundingSet=',
            'UMask=0077',
        ]) {
            expect(unit).toContain(`\n${setting}\n`);
        }
    });

    // The settings above are checked everywhere; a machine without systemd cannot ask it for more.
    if (hasSystemd) {
        it('is accepted by systemd, which finds little exposed', () => {
            const folder = mkdtempSync(join(tmpdir(), 'cocoon-unit-'));
            try {
                const file = join(folder, `cocoon-${name}.service`);
                writeFileSync(file, unit.replace('/usr/local/bin/cocoon', process.execPath));
                // An exposure of 2.0 is "OK"; a service that hardens nothing has 9.6. The threshold is in tenths.
                const analyze = (...args: string[]) =>
                    spawnSync('systemd-analyze', [...args, file], { encoding: 'utf8' });
                const verified = analyze('verify');
                const secured = analyze('security', '--offline=true', '--threshold=20', '--no-pager');

                expect([verified.status, verified.stderr]).toEqual([0, '']);
                expect([secured.status, secured.stdout]).toEqual([0, expect.stringContaining('OK')]);
            } finally {
                rmSync(folder, { recursive: true });
            }
        });
    }
});

describe('Proxies with TLS', () => {
    it.each(['ops/Caddyfile', 'ops/nginx.conf'])(
        '%s passes on streams at once, and bodies that the worker takes',
        (file) => {
            const text = read(file);

            expect(text).toMatch(/flush_interval -1|proxy_buffering off;/);
            expect(text).toMatch(/max_size 2MiB|client_max_body_size 2m;/); // limits.maxRequest
            expect(text).toContain('127.0.0.1:18090');
        },
    );
});

describe('The load balancer of gateways', () => {
    const text = read('ops/nginx-gateways.conf');

    it('sends requests of one Idempotency-Key to one process, and spreads those without one', () => {
        expect(text).toContain(
            'map $http_idempotency_key $gateway_of {\n    "" $request_id;\n    default $http_idempotency_key;\n}',
        );
        expect(text).toContain('hash $gateway_of consistent;');
    });

    it('passes on streams at once and bodies that a gateway takes, and repeats no request that was sent', () => {
        expect(text).toContain('proxy_buffering off;');
        expect(text).toContain('client_max_body_size 8m;'); // BODY_BYTES of the gateway
        expect(text).not.toContain('non_idempotent');
    });
});
