/** What a node can do besides plain chat, and which fields of a request ask for it. */
import { bodies, type ModelRequest } from './request';

/**
 * What a node can do for a model besides plain chat. A node lists its features with each offer, and a request that
 * needs another is not sent to it.
 */
export const features = [
    'completions', // the endpoint for plain completions
    'embeddings', // the endpoint for embeddings, and no other
    'tools',
    'json', // answers in a form that the request gives
    'images',
    'video',
    'audio', // in questions and answers
    'files',
    'choices', // more than one answer
    'logprobs',
    'sampling', // penalties, biases and an engine's own ways to choose tokens
    'reasoning', // settings of how a model thinks
] as const;
export type Feature = (typeof features)[number];

/** Features that have an answer stored with notes, such as vectors, which are not billed by their size. */
export const noteFeatures: readonly Feature[] = ['embeddings', 'logprobs'];

/** Fields that need a feature, unless their value changes nothing. */
const fieldFeatures: Partial<Record<string, Feature>> = {
    ...ofFields('tools', 'tools functions tool_choice function_call'),
    ...ofFields(
        'json',
        'guided_json guided_regex guided_choice guided_grammar guided_decoding_backend guided_whitespace_pattern ' +
            'structured_outputs response_format grammar json_schema regex ebnf',
    ),
    ...ofFields('audio', 'audio modalities'),
    ...ofFields('choices', 'n'),
    ...ofFields(
        'logprobs',
        'logprobs top_logprobs prompt_logprobs n_probs return_token_ids return_tokens_as_token_ids',
    ),
    ...ofFields(
        'sampling',
        'presence_penalty frequency_penalty logit_bias top_k top_a min_p typical_p tfs_z repetition_penalty ' +
            'repeat_penalty repeat_last_n length_penalty mirostat mirostat_tau mirostat_eta dynatemp_range ' +
            'dynatemp_exponent dry_multiplier dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers ' +
            'xtc_probability xtc_threshold samplers min_keep stop_token_ids min_tokens bad_words ' +
            'allowed_token_ids skip_special_tokens spaces_between_special_tokens no_stop_trim ' +
            'include_stop_str_in_output prediction suffix',
    ),
    ...ofFields(
        'reasoning',
        'reasoning_effort reasoning thinking think chat_template_kwargs enable_thinking separate_reasoning ' +
            'stream_reasoning reasoning_format include_reasoning verbosity continue_final_message ' +
            'add_generation_prompt documents',
    ),
};

function ofFields(feature: Feature, names: string): Record<string, Feature> {
    return Object.fromEntries(names.split(' ').map((name) => [name, feature]));
}

/**
 * The first field of a request's body that neither OpenAI's API nor a known model server has; undefined if there is
 * none. A server could do more for it than is paid, or nothing at all. `extra`: names that are allowed besides.
 */
export function unknownField({ endpoint, body }: ModelRequest, extra: readonly string[]): string | undefined {
    const shape = Object.keys(bodies[endpoint].shape);
    const isEngineField = (name: string) => endpoint !== 'embedding' && Object.hasOwn(fieldFeatures, name);
    return Object.keys(body).find((name) => !shape.includes(name) && !isEngineField(name) && !extra.includes(name));
}

/** True if the value of a field asks for nothing. A text is not asked for its keys: each of its characters is one. */
export const isEmpty = (value: unknown): boolean =>
    value === null || (typeof value === 'object' && Object.keys(value).length === 0);
const isFalse = (value: unknown): boolean => value === false;

/** Values at which a field asks for nothing. */
const neutral: Partial<Record<string, (value: unknown) => boolean>> = {
    n: (value) => value === 1,
    tool_choice: (value) => value === 'none' || value === 'auto',
    function_call: (value) => value === 'none' || value === 'auto',
    response_format: (value) => (value as { type?: unknown } | null)?.type === 'text',
    modalities: (value) => Array.isArray(value) && value.every((one) => one === 'text'),
    presence_penalty: (value) => value === 0,
    frequency_penalty: (value) => value === 0,
    top_logprobs: (value) => value === 0,
    logprobs: isFalse,
    return_token_ids: isFalse,
    return_tokens_as_token_ids: isFalse,
    no_stop_trim: isFalse,
    include_stop_str_in_output: isFalse,
    continue_final_message: isFalse,
    include_reasoning: (value) => value === true,
    stream_reasoning: (value) => value === true,
};

/** True of a request whose answer may have more notes than the server's word for its end. */
export const asksForNotes = (request: ModelRequest): boolean =>
    neededFeatures(request).some(({ feature }) => noteFeatures.includes(feature));

const partFeatures: Partial<Record<string, Feature>> = {
    image_url: 'images',
    video_url: 'video',
    input_audio: 'audio',
    file: 'files',
};

/** A feature that a request needs, and the field that asks for it. */
export interface NeededFeature {
    feature: Feature;
    field: string;
}

/** The features that a request needs, each once, with the first field that asks for it. */
export function neededFeatures(request: ModelRequest): NeededFeature[] {
    const { endpoint, body } = request;
    const needed = new Map<Feature, string>();
    const need = (feature: Feature, field: string) => {
        if (!needed.has(feature)) {
            needed.set(feature, field);
        }
    };
    if (endpoint === 'embedding') {
        return [{ feature: 'embeddings', field: 'input' }];
    }
    if (endpoint === 'completion') {
        need('completions', 'prompt');
    }
    for (const [name, value] of Object.entries(body)) {
        const feature = Object.hasOwn(fieldFeatures, name) ? fieldFeatures[name] : undefined;
        if (feature !== undefined && value !== undefined && !isEmpty(value) && neutral[name]?.(value) !== true) {
            need(feature, name);
        }
    }
    if (endpoint === 'chat') {
        body.messages.forEach(({ role, content, tool_calls: calls }, i) => {
            if (role === 'tool' || role === 'function' || (calls ?? []).length > 0) {
                need('tools', `messages.${i}`);
            }
            (Array.isArray(content) ? content : []).forEach(({ type }, j) => {
                const feature = partFeatures[type];
                if (feature !== undefined) {
                    need(feature, `messages.${i}.content.${j}`);
                }
            });
        });
    }
    return [...needed].map(([feature, field]) => ({ feature, field }));
}
