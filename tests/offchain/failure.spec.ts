// cspell:ignore libstdc
/** What the command line says of an error and its causes. */
import { ChainError } from '../../offchain/chain';
import { tellFailure } from '../../offchain/cli/failure';
import { print } from '../../offchain/cli/output';
import { Remedied } from '../../offchain/process/errors';

const coded = (message: string, fields: object) => Object.assign(new Error(message), fields);

describe('What a command prints', () => {
    const hostile = 'eu\u001b[2J\u009b2J\u202e\u{e0041}\r';

    it('moves no cursor and hides nothing, whatever a node wrote', () => {
        const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
        print({}, { region: hostile, about: 'é, 模型\nnext\tcell' });
        print({ json: true }, { region: hostile });
        const [[text], [json]] = log.mock.calls as [string][];
        log.mockRestore();

        expect(text).toBe('region: eu\\u001b[2J\\u009b2J\\u202e\\udb40\\udc41\\u000d\nabout: é, 模型\nnext\tcell');
        expect(json).toMatch(/^[\x20-\x7e]*$/);
        expect(JSON.parse(json)).toEqual({ region: hostile });
    });
});

describe('A failed command', () => {
    it('says what failed and every cause of it, each once', () => {
        const cause = new Error('disk I/O error', { cause: new Error('the cable is out') });
        const error = new Error('The store could not commit', { cause });

        expect(tellFailure(error)).toBe('The store could not commit: disk I/O error: the cable is out');
        expect(tellFailure(new Error('The store: disk I/O error', { cause: new Error('disk I/O error') }))).toBe(
            'The store: disk I/O error',
        );
    });

    it('names a native module that was built for another Node.js, however deep the cause lies', () => {
        const dlopen = coded(
            'The module was compiled against a different Node.js version using\nNODE_MODULE_VERSION 137.',
            { code: 'ERR_DLOPEN_FAILED' },
        );
        const told = tellFailure(new Error('keys.json.lock cannot be locked', { cause: dlopen }));

        expect(told).toContain('keys.json.lock cannot be locked');
        expect(told).toContain('npm rebuild better-sqlite3');
        expect(told).not.toContain('may write');
    });

    it('names a native module that was never built, without the list of places where it was looked for', () => {
        const absent = new Error('Could not locate the bindings file. Tried:\n → /node_modules/better_sqlite3.node');

        expect(tellFailure(new Error('The store cannot be opened', { cause: absent }))).toBe(
            'The store cannot be opened: The native module better-sqlite3 has no binary for this machine: run "npm rebuild better-sqlite3" where cocoon is installed, with its scripts allowed',
        );
    });

    it('guesses nothing of a native module that fails to load for another cause', () => {
        const dlopen = coded('libstdc++.so.6: cannot open shared object file', { code: 'ERR_DLOPEN_FAILED' });
        expect(tellFailure(dlopen)).toBe('libstdc++.so.6: cannot open shared object file');
    });

    it('says what to do about a file inside a cause', () => {
        const missing = coded('ENOENT: no such file', { code: 'ENOENT', path: '/keys/worker.json' });
        expect(tellFailure(new Error('The worker does not start', { cause: missing }))).toBe(
            'The worker does not start: There is no /keys/worker.json: check the name and its folder',
        );
    });

    it('says what to do about an endpoint that is silent, by what the error is and not by its words', () => {
        const [message, none] = ['the endpoint is away', undefined];
        expect(tellFailure(new ChainError(message, none, { silent: true }))).toContain('look at "endpoint"');
        expect(tellFailure(new ChainError('it does not answer as a TON HTTP API'))).not.toContain('"endpoint"');
    });

    it('names no setting for a server that is silent, because only its caller knows which one leads to it', () => {
        const refused = coded('connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED' });
        expect(tellFailure(refused)).toContain('whether a server runs there');
        expect(tellFailure(refused)).not.toContain('"endpoint"');
    });

    it('says what to do about a port that another program has', () => {
        const place = { address: '127.0.0.1', port: 10000 };
        const taken = coded('listen EADDRINUSE: address already in use', { code: 'EADDRINUSE', ...place });
        expect(tellFailure(taken)).toBe(
            'Another program listens at 127.0.0.1:10000: end it, or name another port ' +
                '(--port, --listen, or "listen" in the configuration)',
        );
    });

    it('ends with the first error that says itself what to do', () => {
        const cause = coded('connect ECONNREFUSED', { code: 'ECONNREFUSED' });
        expect(tellFailure(new Error('no list', { cause: new Remedied('start it', { cause }) }))).toBe(
            'no list: start it',
        );
    });

    it('ends with causes that go round in a circle, and with what is no error', () => {
        const error = new Error('round');
        error.cause = new Error('and round', { cause: error });
        expect(tellFailure(error)).toBe('round: and round');
        expect(tellFailure('text')).toBe('text');
        expect(tellFailure(undefined)).toBe('undefined');
        expect(tellFailure(coded('', { code: 'EPIPE' }))).toBe('EPIPE');
    });
});
