/** Requests of apps to the gateway's API: what is passed on, what stays here, and what is refused by its name. */
import type { z } from 'zod';
import { bodies, messageFields, type ModelEndpoint, type ModelRequest, requestLimits, unknownField } from '../../link';
import { MAX_JSON_VALUES } from '../../process/json';
import { badRequest, type GatewayError } from '../errors';
import { type Preferences, readPreferences } from '../preferences';

/** Tokens of an answer whose app sets no limit. */
const DEFAULT_MAX_TOKENS = 1024;

/** A request for a model as an app made it. */
export interface ApiCall {
    modelRequest: ModelRequest;
    stream: boolean;
    includeUsage: boolean;
    isLimited: boolean; // the app itself named the most tokens of an answer
    notPassedOn: string[]; // names of fields that stay in this gateway
    preferences?: Preferences | undefined; // what its `provider` says
}

type Fields = Record<string, unknown>;
type Neutral = (value: unknown) => boolean;
const off: Neutral = (value) => value === false || value === 0;

/**
 * Fields for the one who runs the API, which is this gateway. They name a person or link requests, and no node gets
 * them.
 */
const GATEWAY_FIELDS = ['user', 'metadata', 'safety_identifier', 'prompt_cache_key'];

/** Fields that the gateway obeys itself. */
const ROUTING_FIELD = 'provider';
const OWN_FIELDS = ['stream', 'stream_options', 'max_tokens', 'max_completion_tokens'];

/** Fields that are not passed on, and the values at which nothing is lost by that. */
const neutral: Partial<Record<string, Neutral>> = {
    store: off,
    service_tier: (value) => value === 'auto' || value === 'default',
};

const MESSAGE_FIELDS = ['annotations', 'audio', 'reasoning_details', 'cache_control', 'prefix'];

const MAX_NAME = 100; // characters of a field's name in an error
const ENVELOPE_VALUES = 2; // that the sealed request has besides its body
const ENVELOPE_BRACKETS = 1;

export interface ReadOptions {
    extraFields: readonly string[]; // of the configuration: passed on like those of known engines
}

/**
 * The call in the body of a request. Throws 400 with a message that names the field and the remedy, and repeats nothing
 * of the body.
 */
export function readCall(endpoint: ModelEndpoint, body: unknown, { extraFields }: ReadOptions): ApiCall {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
        throw badRequest('The body must be a JSON object');
    }
    requireFinite(body, '');
    const { values, brackets } = sizeOf(body);
    if (values + ENVELOPE_VALUES > MAX_JSON_VALUES || brackets + ENVELOPE_BRACKETS > MAX_JSON_VALUES) {
        const message = 'The request has more values than a node reads: send fewer messages, tools or fields';
        throw badRequest(message, undefined, 'too_many_values');
    }
    // Null is the same as absent.
    const fields = Object.fromEntries(Object.entries(body as Fields).filter(([, value]) => value !== null));
    requireKnownFields(endpoint, fields, extraFields);
    const stream = ownFlag(fields.stream, 'stream');
    const includeUsage = streamOptions(fields.stream_options);
    const appLimit = endpoint === 'embedding' ? 0 : maxTokensOf(fields);
    const limit = appLimit ?? DEFAULT_MAX_TOKENS;
    const shape = bodies[endpoint];
    const passed = withoutOwn(endpoint, fields);
    const parsed = shape.safeParse(passed);
    if (!parsed.success) {
        throw invalidBody(parsed.error as z.ZodError);
    }
    const choices = endpoint === 'embedding' ? 1 : ((parsed.data as { n?: number | null }).n ?? 1);
    const maxTokens = limit * choices;
    if (maxTokens > requestLimits.tokens) {
        throw badRequest(
            `"n" answers of "max_tokens" each are more than ${requestLimits.tokens} tokens: ask for fewer`,
            'n',
        );
    }
    return {
        stream,
        includeUsage,
        isLimited: appLimit !== undefined,
        preferences: fields[ROUTING_FIELD] === undefined ? undefined : readPreferences(fields[ROUTING_FIELD]),
        notPassedOn: GATEWAY_FIELDS.filter((name) => fields[name] !== undefined),
        modelRequest: { endpoint, maxTokens, body: withSystemRole(parsed.data) } as ModelRequest,
    };
}

/** The first thing that is wrong with a body, in one sentence. */
export function invalidBody(error: z.ZodError): GatewayError {
    const { path, message, key } = deepest(error.issues[0]);
    const param = [...path, ...(key === undefined ? [] : [key])].map(String).join('.').slice(0, MAX_NAME);
    if (key !== undefined) {
        return unsupported(param, 'is not known here');
    }
    return badRequest(`${param === '' ? 'The body' : `"${param}"`} is not valid: ${message}`, param || undefined);
}

interface Problem {
    path: PropertyKey[];
    message: string;
    key: string | undefined; // that the shape does not have
}

/** Of a value that fits none of several shapes: what is wrong by the shape that it fits best. */
function deepest(issue: z.core.$ZodIssue, path: PropertyKey[] = []): Problem {
    const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    const here = { path: [...path, ...issue.path], message: issue.message, key };
    if (issue.code !== 'invalid_union') {
        return here;
    }
    return issue.errors
        .flat()
        .map((inner) => deepest(inner, here.path))
        .reduce((best, one) => (one.path.length > best.path.length ? one : best), here);
}

function ownFlag(value: unknown, param: string): boolean {
    if (value !== undefined && typeof value !== 'boolean') {
        throw badRequest(`"${param}" is not valid: expected true or false`, param);
    }
    return value === true;
}

function streamOptions(value: unknown): boolean {
    if (value === undefined) {
        return false;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw badRequest('"stream_options" is not valid: expected an object', 'stream_options');
    }
    const { include_usage: usage, include_obfuscation: obfuscation, ...others } = value as Fields;
    const [other] = Object.keys(others).filter((name) => others[name] !== null);
    if (other !== undefined || obfuscation === true) {
        throw unsupported(`stream_options.${other ?? 'include_obfuscation'}`, 'is not served here');
    }
    return ownFlag(usage ?? undefined, 'stream_options.include_usage');
}

function maxTokensOf({ max_tokens: maxTokens, max_completion_tokens: maxNewTokens }: Fields): number | undefined {
    const check = (value: unknown, param: string): number | undefined => {
        const isCount = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= requestLimits.tokens;
        if (value !== undefined && !isCount) {
            throw badRequest(
                `"${param}" is not valid: expected a whole number from 1 to ${requestLimits.tokens}`,
                param,
            );
        }
        return value as number | undefined;
    };
    const limits = [check(maxNewTokens, 'max_completion_tokens'), check(maxTokens, 'max_tokens')];
    if (limits.every((limit) => limit !== undefined) && limits[0] !== limits[1]) {
        throw badRequest('"max_tokens" and "max_completion_tokens" differ: give one of them', 'max_tokens');
    }
    return limits[0] ?? limits[1];
}

function withoutOwn(endpoint: ModelEndpoint, fields: Fields): Fields {
    const own = [
        ROUTING_FIELD,
        ...(endpoint === 'embedding' ? [] : OWN_FIELDS),
        ...GATEWAY_FIELDS,
        ...Object.keys(neutral),
    ];
    return Object.fromEntries(Object.entries(fields).filter(([name]) => !own.includes(name)));
}

// Templates of open models know no developer.
function withSystemRole<T extends object>(body: T): T {
    const { messages } = body as { messages?: { role: string }[] };
    return messages?.some(({ role }) => role === 'developer') === true
        ? {
              ...body,
              messages: messages.map((one) => (one.role === 'developer' ? { ...one, role: 'system' } : one)),
          }
        : body;
}

/**
 * Refuses every field that is neither passed on nor without effect: an app must not believe that a field was obeyed
 * which was dropped.
 */
function requireKnownFields(endpoint: ModelEndpoint, fields: Fields, extraFields: readonly string[]): void {
    const valued = Object.keys(neutral).find((name) => fields[name] !== undefined && !neutral[name]!(fields[name]));
    if (valued !== undefined) {
        throw unsupported(valued, 'with this value is not served here');
    }
    const body = withoutOwn(endpoint, fields);
    const name = unknownField({ endpoint, body } as unknown as ModelRequest, extraFields)?.slice(0, MAX_NAME);
    if (name !== undefined) {
        const remedy = 'leave it out, or add it to extraFields in the configuration if your nodes take it';
        throw unsupported(name, 'is not known here', remedy);
    }
    const { messages } = fields;
    if (endpoint === 'chat' && Array.isArray(messages)) {
        messages.forEach((one, i) => requireKnownInMessage(one, `messages.${i}.`));
    }
}

function requireKnownInMessage(message: unknown, at: string): void {
    if (typeof message !== 'object' || message === null) {
        return; // its type is checked afterwards
    }
    const allowed = [...MESSAGE_NAMES, ...MESSAGE_FIELDS];
    const other = Object.entries(message).find(([name, value]) => value !== null && !allowed.includes(name));
    if (other !== undefined) {
        throw unsupported(at + other[0].slice(0, MAX_NAME), 'is not known here');
    }
}

const MESSAGE_NAMES = Object.keys(messageFields);

/** A field that is neither obeyed nor passed on. */
export function unsupported(param: string, what: string, remedy = 'leave it out') {
    return badRequest(`"${param}" ${what}: ${remedy}`, param, 'unsupported_parameter');
}

/** JSON has no infinity, but a number like 1e999 is read as one, and would be passed on as null. */
function requireFinite(value: unknown, at: string): void {
    if (typeof value === 'number' && !Number.isFinite(value)) {
        throw badRequest(`"${at.slice(0, MAX_NAME)}" is not valid: the number is too large`, at.slice(0, MAX_NAME));
    }
    if (typeof value === 'object' && value !== null) {
        for (const [name, field] of Object.entries(value)) {
            requireFinite(field, at === '' ? name : `${at}.${name}`);
        }
    }
}

/** As a node counts values, and lists and objects: it would be blamed for a request that it does not read. */
function sizeOf(body: object): { values: number; brackets: number } {
    const size = { values: 1, brackets: 0 };
    const add = (value: unknown): void => {
        if (typeof value === 'object' && value !== null) {
            const items = Object.values(value).filter((item) => item !== undefined);
            size.values += Math.max(0, items.length - 1);
            size.brackets += 1;
            items.forEach(add);
        }
    };
    add(body);
    return size;
}
