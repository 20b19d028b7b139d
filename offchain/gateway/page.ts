/**
 * The local page at `/` and its data at `/page/data`. Without API keys only programs of this machine get the data.
 * Once keys exist, it needs a key, or the token of this gateway's own user.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredApiKey } from '../store/people';
import { ADMIN_HEADER, type AdminToken } from './adminToken';
import { GatewayError } from './errors';
import type { PageData } from './pageData';
import type { People } from './people';
import { isLocal } from './server';

const FOLDER = join(__dirname, 'page');

/** Paths of the page's files, which are served as they are. */
const FILES: Record<string, [file: string, type: string]> = {
    '/': ['index.html', 'text/html; charset=utf-8'],
    '/page/page.js': ['page.js', 'text/javascript; charset=utf-8'],
    '/page/parts.js': ['parts.js', 'text/javascript; charset=utf-8'],
    '/page/plots.js': ['plots.js', 'text/javascript; charset=utf-8'],
    '/page/page.css': ['page.css', 'text/css; charset=utf-8'],
};

// Nothing from elsewhere, and no script or style but these files.
const HEADERS = {
    'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
};

export interface PageAccess {
    people: Pick<People, 'apiKeys'>;
    token: Pick<AdminToken, 'matches'>;
}

/** Adds the page to the server. */
export function addPage(server: FastifyInstance, data: Pick<PageData, 'view'>, access: PageAccess): void {
    for (const [path, [file, type]] of Object.entries(FILES)) {
        const bytes = readFileSync(join(FOLDER, file));
        server.get(path, async (_, reply) => reply.headers(HEADERS).type(type).send(bytes));
    }
    server.get('/page/data', async (request, reply) => {
        const key = readerOf(request, access);
        return reply.headers({ ...HEADERS, 'cache-control': 'no-store' }).send(await data.view(key));
    });
}

/** The key of whoever reads the data; undefined for the owner. Throws 401 or 403 for anybody else. */
function readerOf(request: FastifyRequest, { people: { apiKeys }, token }: PageAccess): StoredApiKey | undefined {
    const { authorization, [ADMIN_HEADER]: admin, 'sec-fetch-site': site = 'none' } = request.headers;
    if (site !== 'none' && site !== 'same-origin') {
        throw notLocal();
    }
    if (isLocal(request) && (!apiKeys.areRequired || token.matches(admin))) {
        return undefined;
    }
    if (!apiKeys.areRequired) {
        throw notLocal();
    }
    return apiKeys.authenticate(authorization);
}

const notLocal = () =>
    new GatewayError(403, 'not_local', 'Without API keys this page is for programs on this machine: make a key first');
