// Which folder may import which. Arrows run one way:
// contracts -> build -> wrappers -> offchain/process -> { chain, fleet, link, market } -> { store, attest, backend,
// indexer, marketPage, rerun, setup, tokens } -> payer -> { client, gateway, worker } -> cli -> bin; scripting stands
// on wrappers and offchain/{ chain, fleet, process }, scripts on scripting, and localnet on the sandbox alone.
import { dirname, join, relative, sep } from 'node:path';
import { root } from '../files.mjs';

/** Data, not code: readable from everywhere but the local network, which knows nothing of the market. */
const data = ['deployments', 'params'];

/** The first entry whose folder holds the importing file says which folders of ours it may import. */
const layers = [
    { from: 'wrappers', may: ['wrappers', 'build'] },
    // For programs without a gateway, in browsers too: what payers share, and nothing of a process.
    {
        from: 'client',
        may: ['client', 'offchain/link', 'offchain/payer', 'offchain/process', 'offchain/tokens', 'wrappers'],
    },
    // Gateway and worker know each other only through link.
    {
        from: 'offchain/gateway',
        may: ['offchain', 'wrappers'],
        not: ['offchain/worker', 'offchain/cli', 'offchain/bin'],
    },
    {
        from: 'offchain/worker',
        may: ['offchain', 'wrappers'],
        not: ['offchain/gateway', 'offchain/cli', 'offchain/bin'],
    },
    { from: 'offchain/process', may: ['offchain/process', 'wrappers'] }, // the ground floor of every process
    { from: 'offchain/cli', may: ['offchain', 'wrappers'] },
    ...['chain', 'fleet', 'link', 'market'].map((base) => ({
        from: `offchain/${base}`,
        may: [`offchain/${base}`, 'offchain/process', 'wrappers'],
    })),
    // Shared by the gateway and the package for programs without one, which runs in browsers too.
    {
        from: 'offchain/payer',
        may: ['offchain/payer', 'offchain/link', 'offchain/process', 'offchain/tokens', 'wrappers'],
    },
    ...['store', 'attest', 'backend', 'indexer', 'marketPage', 'rerun', 'setup', 'tokens'].map((shared) => ({
        from: `offchain/${shared}`,
        may: ['offchain', 'wrappers'],
        not: ['offchain/gateway', 'offchain/worker', 'offchain/cli', 'offchain/bin'],
    })),
    { from: 'offchain/bin', may: ['offchain'] },
    { from: 'offchain', may: ['wrappers'] }, // a folder without a row of its own
    { from: 'localnet', may: ['localnet'] },
    { from: 'examples', may: ['examples', 'client', 'wrappers'] }, // by the names of the packages, as other programs do
    // As the cocoon command.
    { from: 'scripting', may: ['scripting', 'wrappers', 'offchain/chain', 'offchain/fleet', 'offchain/process'] },
    { from: 'scripts', may: ['scripts', 'scripting', 'wrappers'] },
    // What the simulation repeats of gateway and worker comes from their settings and rules.
    { from: 'benchmarks/scale', may: ['benchmarks', 'offchain/gateway', 'offchain/link', 'offchain/worker'] },
    { from: '', may: [''], not: ['build'] },
];

const inside = (path, folder) => folder === '' || path === folder || path.startsWith(`${folder}/`);

/** The path inside the repository that `source`, written in `file`, stands for; undefined if it is not ours. */
export function target(file, source) {
    const workspace = /^@cocoon-market\/([^/]+)(\/.*)?$/.exec(source);
    if (workspace) return workspace[1] + (workspace[2] ?? '');
    if (!source.startsWith('.')) return undefined;
    const path = relative(root, join(root, dirname(file), source))
        .split(sep)
        .join('/');
    return path.startsWith('..') || inside(path, 'node_modules') ? undefined : path;
}

/** Why `file` may not import `source`, or undefined if it may. */
export function objection(file, source) {
    const path = target(file, source);
    if (path === undefined) return undefined;
    if (['wrappers', 'client', 'localnet'].includes(path) && source.startsWith('.')) {
        return `import @cocoon-market/${path}: a folder with a package.json is what was packed of it`;
    }
    const layer = layers.find(({ from }) => inside(file, from));
    const may = layer.from === 'localnet' ? layer.may : [...layer.may, ...data];
    const allowed = may.some((folder) => inside(path, folder));
    const denied = (layer.not ?? []).find((folder) => inside(path, folder));
    if (allowed && denied === undefined) return undefined;
    return `${layer.from || 'this file'} may not import ${denied ?? path.split('/')[0]} (tooling/eslint/layers.mjs)`;
}

export default {
    meta: { type: 'problem', schema: [], docs: { description: 'imports between folders run one way' } },
    create(context) {
        const file = relative(root, context.filename).split(sep).join('/');
        const check = (node) => {
            if (node?.type !== 'Literal' || typeof node.value !== 'string') return;
            const message = objection(file, node.value);
            if (message !== undefined) context.report({ node, message });
        };
        return {
            ImportDeclaration: (node) => check(node.source),
            ExportNamedDeclaration: (node) => check(node.source),
            ExportAllDeclaration: (node) => check(node.source),
            ImportExpression: (node) => check(node.source),
            TSImportType: (node) => check(node.source ?? node.argument?.literal),
            TSExternalModuleReference: (node) => check(node.expression),
            CallExpression: (node) => {
                if (node.callee.type === 'Identifier' && node.callee.name === 'require') check(node.arguments[0]);
            },
        };
    },
};
