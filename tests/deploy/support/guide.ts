/**
 * The operations guide as a list of things to run and to see: its own fenced blocks, so that guide and test cannot
 * drift.
 */
import { readFileSync } from 'node:fs';

export type Block =
    | { kind: 'run'; line: number; commands: string } // ```bash
    | { kind: 'see'; line: number; output: string[] } // ```text, of the block before it
    | { kind: 'wait'; line: number; seconds: number } // <!-- test: advance N -->
    | { kind: 'coins'; line: number; coins: string }; // <!-- test: faucet N -->, of TON for the reader's wallet

/** Blocks of a guide in its order; other fences are for reading only. */
export function readGuide(file: string): Block[] {
    const blocks: Block[] = [];
    const lines = readFileSync(file, 'utf8').split('\n');
    for (let at = 0; at < lines.length; at++) {
        const wait = /^<!-- test: advance (\d+) -->$/.exec(lines[at]);
        const coins = /^<!-- test: faucet (\d+) -->$/.exec(lines[at]);
        const fence = /^```(\w+)$/.exec(lines[at]);
        if (wait !== null) {
            blocks.push({ kind: 'wait', line: at + 1, seconds: Number(wait[1]) });
        } else if (coins !== null) {
            blocks.push({ kind: 'coins', line: at + 1, coins: coins[1] });
        } else if (fence !== null) {
            const end = lines.indexOf('```', at + 1);
            const inside = lines.slice(at + 1, end);
            if (fence[1] === 'bash') {
                blocks.push({ kind: 'run', line: at + 1, commands: inside.join('\n') });
            } else if (fence[1] === 'text') {
                blocks.push({ kind: 'see', line: at + 1, output: inside });
            }
            at = end;
        }
    }
    return blocks;
}

/** The first line of a guide's output that did not come, in its order; `…` stands for anything. */
export function missingLine(expected: readonly string[], output: string): string | undefined {
    const lines = output.split('\n').map((line) => line.trim().replace(/\s+/g, ' '));
    let at = 0;
    return expected.find((wanted) => {
        const parts = wanted.trim().replace(/\s+/g, ' ').split('…');
        const pattern = new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
        const found = lines.findIndex((line, i) => i >= at && pattern.test(line));
        at = found + 1;
        return found < 0;
    });
}
