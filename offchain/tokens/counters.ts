/** Counts the tokens of prompts and answers. Gateway and worker use the same counter for the same offer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMBEDDED_MODEL, Tokenizer, type TokenizerFile } from '../backend/embedded/tokenizer';
import { type ModelRequest, promptBound, promptTexts } from '../link';
import { eventLoop } from '../process/loopShare';
import { type BytePairCounter, slices } from './bytePairs';
import { BYTES, byteCounter, type TokenCounter } from './bytes';
import { familyCounter, familyNames } from './vocabularies';

/** UTF-8 bytes of one prompt that are cut into tokens; the rest counts by bytes, so that no prompt takes long. */
export const MAX_TOKENIZED = 512 * 1024;

const PIECE = 64; // units of work for a piece of a text, besides one for each UTF-16 unit

// Of a prompt in an exact vocabulary: templates write tools and schemas in other ways than JSON with one space.
const TEMPLATE_MARGIN = 1.05;

const MESSAGE_MARKS = 4; // tokens around a message, in an estimate

type Count = (text: string) => number;

/** `load`: the vocabulary, when it is first needed. */
function exactCounter(load: () => BytePairCounter): TokenCounter {
    const withMargin = (bound: number) => Math.ceil(bound * TEMPLATE_MARGIN);
    return {
        isExact: true,
        promptBound: (request) =>
            withMargin(
                promptBound(
                    request,
                    limited((text) => load().count(text)),
                ),
            ),
        countPrompt: async (request, texts = []) => {
            // Each is the sum of the counts and of what is known without them.
            const [bounded, estimated, chosen] = [new Noted(), new Noted(), new Noted()];
            const bound = promptBound(request, bounded.count);
            const estimate = sum(promptTexts(request), (text) => estimated.count(text) + MESSAGE_MARKS);
            const ofTexts = sum(texts, chosen.count);
            const counts = new Map<string, number>(); // most texts are in all of them, and are counted once
            for (const text of [bounded, estimated, chosen].flatMap((noted) => noted.texts)) {
                counts.set(text, counts.get(text) ?? (await countInTurns(load(), text)));
            }
            const tokensOf = (noted: Noted) => sum(noted.texts, (text) => counts.get(text)!);
            return {
                bound: withMargin(bound + tokensOf(bounded)),
                estimate: estimate + tokensOf(estimated),
                texts: ofTexts + tokensOf(chosen),
            };
        },
        text: (text) => limited((one) => load().count(one))(text),
    };
}

const sum = (texts: readonly string[], count: Count): number => texts.reduce((all, text) => all + count(text), 0);

/** The texts of a prompt that are to be counted. */
class Noted {
    readonly texts: string[] = [];

    /** Counts a text by its bytes if the tokenizer is not to count it, else by nothing yet. */
    readonly count = limited((text) => {
        this.texts.push(text);
        return 0;
    });
}

async function countInTurns(counter: BytePairCounter, text: string): Promise<number> {
    let tokens = 0;
    for (const slice of slices(text)) {
        await eventLoop.take(PIECE + slice.length);
        tokens += counter.countSlice(slice);
    }
    return tokens;
}

/** Counts texts of one prompt: by bytes once they are longer than {@link MAX_TOKENIZED} together. */
function limited(count: Count): Count {
    let remaining = MAX_TOKENIZED;
    return (text) => {
        const bytes = Buffer.byteLength(text);
        remaining -= bytes;
        return remaining < 0 ? bytes : count(text);
    };
}

function embeddedCounter(): TokenCounter {
    const file = join(__dirname, '..', 'backend', 'embedded', 'weights', 'tokenizer.json');
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')) as TokenizerFile);
    const prompt = (request: ModelRequest) =>
        request.endpoint === 'chat' ? tokenizer.countChat(request.body.messages) : byteCounter.promptBound(request);
    return {
        isExact: true,
        promptBound: prompt,
        countPrompt: async (request, texts = []) => {
            const count = prompt(request);
            return { bound: count, estimate: count, texts: tokenizer.count(texts) };
        },
        text: (text) => tokenizer.count([text]),
    };
}

const counters = new Map<string, TokenCounter>([[BYTES, byteCounter]]);

/** Tokens of a request's prompt that no counter exceeds. It costs nothing to count. */
export const promptMax = (request: ModelRequest): number =>
    Math.ceil(byteCounter.promptBound(request) * TEMPLATE_MARGIN);

/** The counter of a tokenizer by its name in an offer; a name that is not known here counts bytes. */
export function counterOf(tokenizer: string): TokenCounter {
    let counter = counters.get(tokenizer);
    if (counter === undefined) {
        const family = familyNames.find((name) => name === tokenizer);
        if (family === undefined && tokenizer !== EMBEDDED_MODEL) {
            return byteCounter;
        }
        counter = family === undefined ? embeddedCounter() : exactCounter(() => familyCounter(family));
        counters.set(tokenizer, counter);
    }
    return counter;
}
