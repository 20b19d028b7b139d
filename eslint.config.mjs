import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import layers from './tooling/eslint/layers.mjs';

const libraries = ['wrappers/**/*.ts', 'offchain/**/*.ts'];
/** Files that are a program's entry: they print and decide the exit code. */
const programs = ['offchain/cli/**', 'offchain/bin/**', '**/main.ts', '**/cli.ts', '**/demo.ts', '**/demo/**'];

export default defineConfig(
    { ignores: ['build/', 'coverage/', '**/dist/', 'tests/pack/fixtures/', 'temp/', '**/weights/'] },
    { linterOptions: { reportUnusedDisableDirectives: 'error' } },
    js.configs.recommended,
    {
        files: ['**/*.ts'],
        extends: [tseslint.configs.recommendedTypeChecked],
        languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
        rules: {
            '@typescript-eslint/no-floating-promises': 'error',
            '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
            '@typescript-eslint/switch-exhaustiveness-check': [
                'error',
                { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
            ],
            '@typescript-eslint/no-unused-vars': [
                'error',
                { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
            ],
            '@typescript-eslint/restrict-template-expressions': [
                'error',
                {
                    allowNumber: true,
                    allowBoolean: true,
                    allowArray: true,
                    allow: [{ from: 'lib', name: ['Error', 'URL'] }],
                },
            ],
            '@typescript-eslint/require-await': 'off', // implementations of asynchronous interfaces
            '@typescript-eslint/unbound-method': 'off',
            '@typescript-eslint/no-base-to-string': [
                'error',
                { ignoredTypeNames: ['Address', 'Cell', 'ExternalAddress'] },
            ],
        },
    },
    {
        plugins: { cocoon: { rules: { layers } } },
        files: ['**/*.{ts,mjs,js}'],
        rules: {
            'cocoon/layers': 'error',
            'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],
            eqeqeq: ['error', 'always', { null: 'ignore' }],
            'no-restricted-properties': [
                'error',
                { object: 'process', property: 'exit', message: 'Throw, or set process.exitCode in the entry file.' },
            ],
        },
    },
    {
        files: [...libraries, 'scripts/**/*.ts'],
        ignores: ['offchain/backend/**'], // speaks to models, not to contracts; has constants of its own
        rules: {
            'no-restricted-syntax': [
                'error',
                {
                    selector: 'Literal[raw=/^0x(?!f{8}$|7f{7}$)[0-9a-f]{8}$/i]',
                    message: 'An opcode belongs to contracts/: take it from the generated wrapper.',
                },
            ],
        },
    },
    { files: libraries, ignores: programs, rules: { 'no-console': 'error' } },
    { files: programs, rules: { 'no-restricted-properties': 'off' } },
    {
        files: ['tests/**/*.ts', 'benchmarks/**/*.ts'],
        rules: {
            '@typescript-eslint/no-unsafe-argument': 'off',
            '@typescript-eslint/no-unsafe-assignment': 'off',
            '@typescript-eslint/no-unsafe-call': 'off',
            '@typescript-eslint/no-unsafe-member-access': 'off',
            '@typescript-eslint/no-unsafe-return': 'off',
        },
    },
    {
        files: ['**/*.{mjs,js}'],
        languageOptions: {
            globals: { process: 'readonly', console: 'readonly', Buffer: 'readonly', performance: 'readonly' },
        },
    },
    {
        files: ['**/*.js'],
        languageOptions: {
            sourceType: 'commonjs',
            globals: { require: 'readonly', module: 'writable', __dirname: 'readonly' },
        },
    },
    {
        files: ['tests/sdk/**', 'tests/llama/**'],
        languageOptions: { globals: { URL: 'readonly', AbortSignal: 'readonly', AbortController: 'readonly' } },
    },
    {
        files: ['offchain/gateway/page/**', 'tests/page/**'],
        languageOptions: {
            sourceType: 'module',
            globals: Object.fromEntries(
                ['document', 'sessionStorage', 'fetch', 'setTimeout', 'clearTimeout', 'addEventListener']
                    .concat('AbortSignal', 'URL', 'globalThis')
                    .map((name) => [name, 'readonly']),
            ),
        },
    },
    {
        files: ['examples/buy-page/**/*.{js,mjs}', 'tests/buy/*.mjs'],
        languageOptions: {
            sourceType: 'module',
            globals: Object.fromEntries(
                ['document', 'localStorage', 'location', 'navigator', 'crypto', 'fetch', 'confirm', 'globalThis', 'URL']
                    .concat('setTimeout', 'setInterval', 'AbortController')
                    .map((name) => [name, 'readonly']),
            ),
        },
    },
    { files: ['tests/pack/**'], languageOptions: { globals: { globalThis: 'readonly' } } },
    { files: ['tooling/**'], rules: { 'no-restricted-properties': 'off' } },
);
