/** Pieces of the page. Every text is set as text, so what strangers wrote is never markup. */
import { ton } from '../src/amounts';

export const byId = (id) => document.getElementById(id);

/** An element with its texts and children. */
export function element(name, { text, children = [], ...fields } = {}) {
    const made = Object.assign(document.createElement(name), fields);
    if (text !== undefined) made.textContent = text;
    made.append(...children);
    return made;
}

/** Sets a text only where it changed, so that a screen reader does not repeat it. */
export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/** Fills a list of figures: names and amounts in nanoTON, or texts. */
export function setFigures(list, figures) {
    const rows = Object.entries(figures).map(([name, value]) => [name, typeof value === 'bigint' ? ton(value) : value]);
    const isSame = JSON.stringify(rows) === list.dataset.shown;
    if (isSame) return;
    list.dataset.shown = JSON.stringify(rows);
    list.replaceChildren(
        ...rows.map(([name, value]) =>
            element('div', { children: [element('dt', { text: name }), element('dd', { text: value })] }),
        ),
    );
}

/** Shows a text, or hides the element if there is none. */
export function show(node, text) {
    node.hidden = text === undefined || text === '';
    setText(node, text ?? '');
}

const SHORT = 6; // characters at either end

export const shortAddress = (text) => `${text.slice(0, SHORT)}…${text.slice(-SHORT)}`;

export const timeOf = (seconds) =>
    new Date(seconds * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
