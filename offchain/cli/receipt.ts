/** `cocoon receipt`: shows and checks what a node signed of one answer, from the gateway's store alone. */
import { Command } from 'commander';
import { readGatewayConfig } from '../gateway';
import { ownUrl } from '../gateway/doorkeeper';
import { type StoredReceiptReport, reportOf } from '../gateway/receipts';
import { openGatewayStore } from '../store/open';
import { askGateway } from './gatewayClient';
import { lines, print } from './output';

interface Flags {
    config: string;
    json?: boolean;
}

const WRONG = 2; // exit code of a receipt of which a field is wrong

/** The command with its subcommands. */
export function receiptCommand(): Command {
    const command = new Command('receipt');
    const about = (name: string, description: string) =>
        command
            .command(`${name} <id>`)
            .description(description)
            .option('--config <file>', "a gateway's configuration", 'gateway.json')
            .option('--json', 'print JSON, amounts in nanoTON');
    about('show', 'print what a receipt says; the usage of an answer has its id, such as 12-3').action(
        async (id: string, flags: Flags) => {
            const { checks: _, right: __, ...facts } = await report(id, flags);
            print(flags, facts);
        },
    );
    about('verify', 'check signature and fields: exit code 0 if none is wrong, 2 otherwise').action(
        async (id: string, flags: Flags) => {
            const found = await report(id, flags);
            print(flags, found, () => textOf(found));
            process.exitCode = found.right ? 0 : WRONG;
        },
    );
    return command;
}

function textOf({ right, checks, ...facts }: StoredReceiptReport): string {
    const fields = checks.map(({ field, state, reason }) => `${field}: ${state}${reason ? ` (${reason})` : ''}`);
    return [lines(facts), ...fields, right ? 'the receipt is right' : 'the receipt is WRONG'].join('\n');
}

/** The report of a running gateway, or by its store if none runs. */
async function report(id: string, { config: path }: Flags): Promise<StoredReceiptReport> {
    const settings = readGatewayConfig(path);
    try {
        const found = await askGateway(ownUrl(settings), 'GET', `/admin/receipt/${encodeURIComponent(id)}`);
        return found as StoredReceiptReport;
    } catch (error) {
        if ((error as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED') {
            throw error;
        }
    }
    const store = await openGatewayStore(settings.store);
    try {
        return await reportOf(store, settings.network, id);
    } finally {
        await store.close();
    }
}
