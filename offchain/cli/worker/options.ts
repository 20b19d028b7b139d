/** Options that the commands of a worker share. */

export const CONFIG = ['--config <file>', 'JSON file with the settings of the worker', 'worker.json'] as const;
export const JSON_OPTION = ['--json', 'print one line of JSON'] as const;

export interface ConfigFlags {
    config: string;
    json?: boolean;
}
