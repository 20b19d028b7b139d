/**
 * Makes docs/access.md out of the tables in tests/access/. `npm run generate` writes it, tests/access/access.spec.ts
 * checks it and sends the messages.
 */
import { join } from 'node:path';
import { notReceived, tables } from '../tests/access';
import { cellsOf, ContractTable, receivers, Row, senders } from '../tests/access/table';
import { wrapped } from './attacksPage';

export const PAGE = join(__dirname, '..', 'docs', 'access.md');

const HEADINGS = ['message', 'sender', 'state', 'outcome'];

/** A row for each outcome; what is the same as in the row above is left out. */
function linesOf(message: string, row: Row): string[][] {
    return Object.entries(row).flatMap(([sender, byState], first) => {
        const states = Object.entries(typeof byState === 'string' ? { '*': byState } : byState);
        const others = states.length > 1 ? 'any other' : 'any';
        return states.map(([state, outcome], i) => [
            first === 0 && i === 0 ? message : '',
            i > 0 ? '' : sender === '*' ? (Object.keys(row).length > 1 ? 'anyone else' : 'anyone') : sender,
            state === '*' ? others : state,
            outcome,
        ]);
    });
}

/** A table as Prettier writes it. */
function table(rows: string[][]): string[] {
    const all = [HEADINGS, ...rows];
    const widths = HEADINGS.map((_, column) => Math.max(...all.map((row) => row[column].length)));
    const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
    const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
    const [headings, ...others] = all.map(line);
    return [headings, rule, ...others];
}

function definitions(list: Record<string, string>): string[] {
    return Object.entries(list).flatMap(([name, meaning]) => wrapped(`**${name}**: ${meaning}.`, '- '));
}

function section(contract: ContractTable): string[] {
    const { contract: name, page, states, rows } = contract;
    // External messages are refused alike by each contract but one; its rows of them would say so again and again.
    const outside = name === 'Escrow' ? [] : ['spend key, another key'];
    const lines = Object.entries(rows).flatMap(([message, row]) =>
        linesOf(message, Object.fromEntries(Object.entries(row).filter(([sender]) => !outside.includes(sender)))),
    );
    const cells = cellsOf(contract).length;
    return [
        `## ${name}`,
        '',
        ...wrapped(`What each message does: [${page}](contracts/${page}). ${cells} cells. States:`),
        '',
        ...definitions(states),
        '',
        ...(outside.length === 0
            ? []
            : [...wrapped('It has no code for external messages: none is taken, in any state.'), '']),
        ...table(lines),
        '',
    ];
}

/** The page, as it must be committed. */
export function accessPage(): string {
    const cells = tables.reduce((sum, each) => sum + cellsOf(each).length, 0);
    return [
        '# Who may send what',
        '',
        ...wrapped(
            'This page says for each contract what becomes of every message, from every kind of sender, in every ' +
                `state: ${cells} cells. It is generated from \`tests/access/\` by \`npm run generate\`. ` +
                '`npm run test:access` sends the message of every cell to the contract and compares. The outcomes ' +
                'were written from [contracts/](contracts/), not from the code.',
        ),
        '',
        ...wrapped(
            'The messages are correct, and bring more than their minimum value unless the state says otherwise. The ' +
                'pages of the contracts say how a message with wrong content is refused.',
        ),
        '',
        '## Outcomes',
        '',
        ...wrapped('`ok`: accepted, and the whole value stays.', '- '),
        ...wrapped(
            '`ok → a, b`: accepted, and each of these accounts gets one message; `sender` is the sender of the message.',
            '- ',
        ),
        ...wrapped(
            'An exit code: refused. Nothing changes, and the value comes back to the sender, less the fees of this ' +
                'message. The codes below 256 are those of the TVM and of Tact: 9 is a body that ends too early, ' +
                '37 a reserve that the value does not cover, 130 an unknown message.',
            '- ',
        ),
        ...wrapped(
            '`not taken`: an external message for which the contract has no code. It costs and changes nothing.',
            '- ',
        ),
        ...wrapped(
            '`never`: no such message can exist. The network makes a bounce only of a message that the contract sent.',
            '- ',
        ),
        '',
        '## Senders',
        '',
        ...definitions(senders),
        '',
        'One more account only receives:',
        '',
        ...definitions(receivers),
        '',
        '## Messages that no contract receives',
        '',
        ...wrapped(
            'Each contract refuses them with 130 like any message that it does not know; the Library and the Escrow too.',
        ),
        '',
        ...Object.entries(notReceived).flatMap(([reason, names]) => wrapped(`${reason}: ${names.join(', ')}.`, '- ')),
        '',
        ...tables.flatMap(section),
    ].join('\n');
}
