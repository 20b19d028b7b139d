/** OpenAI's published description of its answers, as a judge of ours. */
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const published = JSON.parse(readFileSync(join(__dirname, '../sdk/vectors/openai.json'), 'utf8')) as object;
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(published, 'openai');

const validators = new Map<string, ValidateFunction>();

interface Schema {
    anyOf?: { $ref: string }[];
    properties?: { type?: { enum?: string[]; const?: string } };
}

/** The published schema of one event: of many, the one whose type it is, so that objections are about that one. */
function schemaOf(name: string, { type }: { type?: unknown }): string {
    const { schemas } = (published as { components: { schemas: Record<string, Schema> } }).components;
    const names = (schemas[name].anyOf ?? []).map(({ $ref }) => $ref.split('/').at(-1)!);
    return names.find((one) => schemas[one].properties?.type?.enum?.includes(String(type))) ?? name;
}

/**
 * OpenAI's own chunks of a completion have no finish reason before the last one; its description speaks of whole
 * answers.
 */
function asDescribed(name: string, value: unknown): unknown {
    const { choices } = (value ?? {}) as { choices?: { finish_reason?: unknown }[] };
    return name !== 'CreateCompletionResponse' || choices === undefined
        ? value
        : {
              ...(value as object),
              choices: choices.map((choice) => ({ ...choice, finish_reason: choice.finish_reason ?? 'stop' })),
          };
}

/** What is wrong with a value by the published schema of this name; an empty list if nothing is. */
export function objectionsTo(name: string, value: unknown): string[] {
    const schema = schemaOf(name, value ?? {});
    const validate = validators.get(schema) ?? ajv.compile({ $ref: `openai#/components/schemas/${schema}` });
    validators.set(schema, validate);
    return validate(asDescribed(name, value))
        ? []
        : (validate.errors ?? []).map(({ instancePath, message, params }) =>
              `${instancePath || '/'} ${message} ${JSON.stringify(params)}`.slice(0, 300),
          );
}

/** The published schemas of each path: of a whole answer, and of an event of a stream. */
export const publishedShapes: Record<string, { whole: string; event?: string }> = {
    '/v1/chat/completions': { whole: 'CreateChatCompletionResponse', event: 'CreateChatCompletionStreamResponse' },
    '/v1/completions': { whole: 'CreateCompletionResponse', event: 'CreateCompletionResponse' },
    '/v1/embeddings': { whole: 'CreateEmbeddingResponse' },
    '/v1/responses': { whole: 'Response', event: 'ResponseStreamEvent' },
    '/v1/models': { whole: 'ListModelsResponse' },
};
