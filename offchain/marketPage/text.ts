/** Texts that strangers wrote, as people can read them without being deceived. */

const MAX_TEXT = 60; // characters on the page
const MAX_CELL = 500; // characters in CSV

/** Fillers, which show nothing: soft hyphen, Hangul and Khmer fillers, an empty Braille pattern. */
const FILLERS = ['\\u00ad', '\\u115f', '\\u1160', '\\u17b4', '\\u17b5', '\\u2800', '\\u3164', '\\uffa0'].join('|');

/**
 * Characters that show nothing, or change how others are shown: control characters, marks of direction, separators,
 * unassigned ones, fillers, and marks from the third on over one letter.
 */
const HIDDEN = new RegExp(`[\\p{C}\\p{Zl}\\p{Zp}]|${FILLERS}|(?<=\\p{M}\\p{M})\\p{M}`, 'gu');

const codeOf = (char: string): string => `[U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`;

/** At most so many characters of a text, in which hidden characters stand as their codes. */
export function visibleText(text: string, max = MAX_TEXT): string {
    let [shortened, count] = ['', 0];
    for (const char of text) {
        if (count++ === max) {
            shortened += '…';
            break;
        }
        shortened += char;
    }
    return shortened.replace(HIDDEN, codeOf);
}

/** A field of CSV. A text that a spreadsheet would run as a formula begins with an apostrophe. */
export function csvField(value: string | number | bigint | boolean | null): string {
    if (typeof value !== 'string') {
        return value === null ? '' : String(value);
    }
    const text = visibleText(value, MAX_CELL);
    const harmless = /^[\s]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
    return `"${harmless.replaceAll('"', '""')}"`;
}
