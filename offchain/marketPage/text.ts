/** Texts that strangers wrote, as people can read them without being deceived. */

const MAX_TEXT = 60; // characters on the page
const MAX_CELL = 500; // characters in CSV

/** Fillers, which show nothing: soft hyphen, Hangul and Khmer fillers, an empty Braille pattern. */
const FILLERS = ['\\u00ad', '\\u115f', '\\u1160', '\\u17b4', '\\u17b5', '\\u2800', '\\u3164', '\\uffa0'].join('|');

/** Characters that show nothing, or change how others are shown: control characters, marks of direction, separators. */
const HIDDEN = new RegExp(`[\\p{C}\\p{Zl}\\p{Zp}]|${FILLERS}`, 'u');
const MARK = /\p{M}/u;
const MAX_MARKS = 2; // over one letter

const codeOf = (char: string): string => `[U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`;

/**
 * The beginning of a text, at most so many characters as it is shown. Hidden characters stand as their codes, and so do
 * marks from the third on over one letter.
 */
export function visibleText(text: string, max = MAX_TEXT): string {
    let [visible, length, marks] = ['', 0, 0];
    for (const char of text) {
        marks = MARK.test(char) ? marks + 1 : 0;
        const isHidden = marks > MAX_MARKS || HIDDEN.test(char);
        length += isHidden ? codeOf(char).length : 1;
        if (length > max) {
            return `${visible}…`;
        }
        visible += isHidden ? codeOf(char) : char;
    }
    return visible;
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
