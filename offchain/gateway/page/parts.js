/** Texts and elements that the page is made of. Nothing becomes HTML: every text stays a text. */

const NANO = 1_000_000_000n;

/** nanoTON as TON, for people: four digits behind the point, or behind the zeros of a small amount. */
export function ton(nano) {
    const amount = BigInt(nano);
    const size = amount < 0n ? -amount : amount;
    const rest = (size % NANO).toString().padStart(9, '0');
    const zeros = size < NANO ? rest.search(/[1-9]|$/) : 0;
    const shown = rest.slice(0, zeros + 4).replace(/0+$/, '');
    return `${amount < 0n ? '−' : ''}${size / NANO}${shown === '' ? '' : `.${shown}`}`;
}

export const number = (value) => value.toLocaleString('en');
export const plural = (count, one) => `${number(count)} ${one}${count === 1 ? '' : 's'}`;
export const time = (seconds) => new Date(seconds * 1000).toLocaleString('sv').slice(0, 16);
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString('sv');

export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.filter((child) => child !== undefined));
    return made;
}

export const figure = ([name, value, more]) =>
    element(
        'div',
        {},
        element('dt', {}, name),
        element('dd', {}, value, ...(more ? [' ', element('small', {}, more)] : [])),
    );

/**
 * A table that stays one for screen readers when narrow screens show it as lists. One that `isSlim` fits anyway, and
 * its caption is for screen readers only.
 */
export function table(caption, head, lines, { isSlim = false } = {}) {
    const cell = (name, role, i, content) => {
        const kind = head[i].startsWith('#') ? 'number' : '';
        const label = head[i].replace('#', '');
        return element(name, { role, class: kind, 'data-label': label }, content);
    };
    const made = element('table', { role: 'table', class: isSlim ? 'slim' : '' });
    if (!isSlim) made.append(element('caption', {}, caption));
    else made.setAttribute('aria-label', caption);
    const names = head.map((title, i) => {
        const th = cell('th', 'columnheader', i, title.replace('#', ''));
        th.setAttribute('scope', 'col');
        return th;
    });
    made.append(
        element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...names)),
        element(
            'tbody',
            { role: 'rowgroup' },
            ...lines.map((line) => {
                const cells = line.map((content, i) =>
                    cell(i === 0 ? 'th' : 'td', i === 0 ? 'rowheader' : 'cell', i, content),
                );
                cells[0].setAttribute('scope', 'row');
                return element('tr', { role: 'row' }, ...cells);
            }),
        ),
    );
    return made;
}

export const nothing = (text) => element('p', { class: 'small' }, text);
