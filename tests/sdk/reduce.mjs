/**
 * Cuts OpenAI's published API description (openapi.json of github.com/openai/openai-openapi, MIT) down to the answers
 * of the endpoints that a gateway has: node tests/sdk/reduce.mjs openapi.json > tests/sdk/vectors/openai.json
 */
import { readFileSync } from 'node:fs';

const ROOTS = [
    ...['CreateChatCompletionResponse', 'CreateChatCompletionStreamResponse', 'CreateCompletionResponse'],
    ...['CreateEmbeddingResponse', 'Response', 'ResponseStreamEvent', 'ListModelsResponse', 'Model', 'ErrorResponse'],
];
const WORDS = ['description', 'example', 'examples', 'title', 'externalDocs', 'deprecated'];

const published = JSON.parse(readFileSync(process.argv[2], 'utf8'));

/** A schema without its words; `names`: the keys are names of properties, not of the schema. */
function withoutWords(value, names = false) {
    if (Array.isArray(value)) return value.map((one) => withoutWords(one));
    if (typeof value !== 'object' || value === null) return value;
    const fields = Object.entries(value).filter(([key]) => names || !(WORDS.includes(key) || key.startsWith('x-')));
    const schema = Object.fromEntries(
        fields.map(([key, field]) => [key, withoutWords(field, !names && key === 'properties')]),
    );
    if (names || typeof schema.nullable !== 'boolean') return schema;
    // A word of OpenAPI 3.0 that JSON schema does not know.
    const { nullable, ...rest } = schema;
    return nullable ? { anyOf: [rest, { type: 'null' }] } : rest;
}

const schemas = {};
const open = [...ROOTS];
while (open.length > 0) {
    const name = open.pop();
    if (schemas[name] !== undefined) continue;
    schemas[name] = withoutWords(published.components.schemas[name]);
    for (const [, other] of JSON.stringify(schemas[name]).matchAll(/#\/components\/schemas\/([^"]+)/g))
        open.push(other);
}
console.log(JSON.stringify({ version: published.info.version, components: { schemas } }));
