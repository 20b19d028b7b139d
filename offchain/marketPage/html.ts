/** HTML that is written on the server. Everything that is not {@link Html} is escaped. */

export class Html {
    constructor(readonly text: string) {}
}

export type Markup = Html | string | number | bigint | null | undefined | false | readonly Markup[];

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char]);

function textOf(piece: Markup): string {
    if (piece instanceof Html) {
        return piece.text;
    }
    if (piece === null || piece === undefined || piece === false) {
        return '';
    }
    return typeof piece === 'object' ? piece.map(textOf).join('') : escaped(String(piece));
}

/** A template whose values are escaped, except those that are HTML already. Values in attributes stand in quotes. */
export function html(strings: TemplateStringsArray, ...pieces: Markup[]): Html {
    return new Html(strings.reduce((text, string, i) => text + textOf(pieces[i - 1]) + string));
}
