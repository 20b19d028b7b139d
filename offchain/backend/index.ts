import type { Backend } from './backend';
import { EmbeddedBackend } from './embedded/embedded';
import { OpenAiBackend, type OpenAiConfig } from './openai';

export * from './backend';
export { EmbeddedBackend } from './embedded/embedded';
export { EMBEDDED_MODEL } from './embedded/tokenizer';
export { OpenAiBackend } from './openai';
export type { OpenAiConfig } from './openai';

/** Which backend a worker runs and where it is. */
export type BackendConfig = { kind: 'embedded' } | ({ kind: 'openai' } & OpenAiConfig);

/**
 * Makes the backend that a config names; a URL backend is not contacted yet. `maxAnswer`: bytes of vectors that an
 * answer has room for, 4 MiB unless given.
 *
 * @throws if the URL is not one, or the embedded model's files are damaged
 */
export function createBackend(config: BackendConfig, maxAnswer?: number): Backend {
    switch (config.kind) {
        case 'embedded':
            return new EmbeddedBackend();
        case 'openai':
            return new OpenAiBackend(config, maxAnswer);
    }
}
