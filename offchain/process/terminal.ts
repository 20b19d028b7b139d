/** Texts for a terminal. Nodes write some of the texts that a command prints, and must not steer the terminal. */

const codeOf = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A text whose characters that move the cursor, show nothing or change the order stand as their codes. */
export const forTerminal = (text: string): string =>
    text.replace(/[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu, (char) => char.split('').map(codeOf).join(''));

/** The same, in one line: a line break, too, stands as its code. */
export const lineForTerminal = (text: string): string => forTerminal(text).replaceAll('\n', codeOf('\n'));
