/** What a request needs of a node: features, a context that is long enough, and a step that pays for the prompt. */
import { type Rates, Reason } from '@cocoon-market/wrappers';
import { causeOf, choicesOf, maxPrompt, type ModelRequest, type NeededFeature, neededFeatures, textOf } from '../link';
import { costBound, type QueryBounds } from '../payer/bounds';
import { BYTES, counterOf, MAX_TOKENIZED } from '../tokens';
import { badRequest, GatewayError } from './errors';

/** A context that holds a request. The count is never above what a node needs, so no fitting request is refused. */
export interface NeededContext {
    /** Tokens of prompt and answer by a tokenizer; 0 if it is not exact. */
    tokens(tokenizer: string): number;
}

export interface Needs {
    features: readonly NeededFeature[];
    context?: NeededContext;
    key: number; // the same for requests of about one length
}

export const NO_NEEDS: Needs = { features: [], key: 0 };

/** What a node lists for one model. */
export interface OfferFacts {
    features: readonly string[];
    context?: number | undefined; // tokens
    tokenizer: string;
}

/** What a node lacks for a request; undefined if it has all that is needed. */
export type Lack = NeededFeature | { context: number; tokens: number };

/**
 * The needs of a request. A limit of the answer counts if the app named it; the gateway's own may be cut. `textTokens`:
 * of the {@link textsOf} a request by a tokenizer, if they were counted already.
 */
export function needsOf(
    modelRequest: ModelRequest,
    isLimited: boolean,
    textTokens: (tokenizer: string) => number | undefined = () => undefined,
): Needs {
    const answer = isLimited ? modelRequest.maxTokens / choicesOf(modelRequest) : 0;
    const byTokenizer = new Map<string, number>();
    const tokens = (tokenizer: string) => {
        const count =
            byTokenizer.get(tokenizer) ?? promptTokens(modelRequest, tokenizer, answer, textTokens(tokenizer));
        byTokenizer.set(tokenizer, count);
        return count;
    };
    const bytes = bytesOf(textsOf(modelRequest)) + answer;
    return { features: neededFeatures(modelRequest), context: { tokens }, key: Math.ceil(Math.log2(1 + bytes)) };
}

function promptTokens(request: ModelRequest, tokenizer: string, answer: number, ofTexts?: number): number {
    const counter = counterOf(tokenizer);
    const texts = textsOf(request);
    if (!counter.isExact || bytesOf(texts) > MAX_TOKENIZED) {
        return 0;
    }
    return (ofTexts ?? texts.reduce((sum, text) => sum + counter.text(text), 0)) + answer;
}

const bytesOf = (texts: string[]): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** Only what every template writes into a prompt. */
export function textsOf({ endpoint, body }: ModelRequest): string[] {
    switch (endpoint) {
        case 'chat':
            return body.messages.map(({ content }) => textOf(content));
        case 'completion':
            return [typeof body.prompt === 'string' ? body.prompt : body.prompt[0]];
        case 'embedding':
            return []; // each input has a context of its own, and a server may cut it
    }
}

/** The first thing that a node lacks. */
export function lackOf({ features, context, tokenizer }: OfferFacts, needs: Needs): Lack | undefined {
    const missing = needs.features.find(({ feature }) => !features.includes(feature));
    if (missing !== undefined || context === undefined) {
        return missing;
    }
    const tokens = needs.context?.tokens(tokenizer) ?? 0;
    return tokens > context ? { context, tokens } : undefined;
}

/** A lack as a sentence about the node. */
export function lackText(lack: Lack): string {
    return 'feature' in lack
        ? `does not list "${lack.feature}", which "${lack.field}" needs`
        : `has a context of ${lack.context} tokens, and the request needs ${lack.tokens}`;
}

/** The error of a request that no node can serve: 400, with the numbers of the node that comes closest. */
export function lackError(model: string, lacks: readonly Lack[]): GatewayError {
    const short = lacks.flatMap((lack) => ('context' in lack ? [lack] : []));
    if (short.length < lacks.length) {
        const [{ feature, field }] = lacks.flatMap((lack) => ('feature' in lack ? [lack] : []));
        return badRequest(
            `No node of ${model} does what "${field}" asks for ("${feature}"): leave it out, or take another model`,
            field,
            'unsupported_parameter',
        );
    }
    const { context, tokens } = short.reduce((best, one) => (one.context > best.context ? one : best));
    return badRequest(
        `The longest context of ${model} has ${context} tokens, and prompt and "max_tokens" need at least ${tokens}: ` +
            'send less, or ask for a shorter answer',
        'messages',
        'context_length_exceeded',
    );
}

/**
 * True if a node would decline a prompt for its price, so that it needs no job and is not asked: it signs few declines
 * for a job, whichever app asks. By a tokenizer that is not known here, only the node can say it. `bounds`: of the
 * request.
 */
export function isTooDear(
    { rates, step }: { rates: Rates; step: bigint }, // nanoTON
    tokenizer: string,
    bounds: (tokenizer: string) => QueryBounds,
): boolean {
    const isKnown = tokenizer === BYTES || counterOf(tokenizer).isExact;
    return isKnown && costBound(rates, { ...bounds(tokenizer), maxTokens: 0 }) > maxPrompt(step);
}

/** The error of a prompt that is too dear for a step of every node. */
export function tooDearError(): GatewayError {
    const { status, code, message, param } = causeOf(Reason.StepTooSmall);
    return new GatewayError(status, code, message, { param });
}
