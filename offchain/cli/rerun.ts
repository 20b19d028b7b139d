/** `cocoon rerun`: what a client, a provider or a committee does with an opened query. */
import { Command, Option } from 'commander';
import { createBackend } from '../backend';
import { opening, openQuery } from '../link';
import { rerun, RerunVerdict } from '../rerun';
import { readJsonAs } from '../process/settings';
import { print } from './output';

const EXIT: Record<RerunVerdict, number> = { match: 0, mismatch: 2, undecided: 3 };

/** The command; its exit code is 0 for a match, 2 for a mismatch, 3 when it stays undecided. */
export function rerunCommand(): Command {
    return new Command('rerun')
        .argument('<file>', 'what "cocoon gateway open-query" wrote')
        .addOption(new Option('--url <url>', 'an OpenAI-compatible server; without it the embedded model runs'))
        .addOption(new Option('--api-key <key>', 'for that server').env('COCOON_RERUN_API_KEY'))
        .option('--json', 'print JSON')
        .action(
            async (file: string, { url, apiKey, json = false }: { url?: string; apiKey?: string; json?: boolean }) => {
                const absent = '"cocoon gateway open-query" writes one';
                const opened = openQuery(readJsonAs(opening, file, 'opening', absent));
                const backend = createBackend(
                    url === undefined ? { kind: 'embedded' } : { kind: 'openai', url, apiKey },
                );
                try {
                    const compared = await rerun(opened, backend);
                    process.exitCode = EXIT[compared.verdict];
                    const { verdict, reason, same, delivered, repeated } = compared;
                    const { job, result } = opened;
                    const { model } = opened.modelRequest.body;
                    const report = { job, number: result.number, model, ...compared };
                    print({ json }, report, () =>
                        [
                            `${verdict}: query ${result.number} of job ${job.toString('hex')}, model ${model}`,
                            `characters alike ${same}, delivered ${delivered}, repeated ${repeated}`,
                            reason,
                        ].join('\n'),
                    );
                } finally {
                    await backend.close();
                }
            },
        );
}
