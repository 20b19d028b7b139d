/** Plots as SVG, each with a text that says the same. */

const HALF_NAME = 18; // width
const SPACE = 'http://www.w3.org/2000/svg';

function shape(name, attributes = {}, text) {
    const element = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
}

function canvas(width, height, label) {
    return shape('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
}

/** A round number at or above `value`, for the end of an axis. */
export function axisEnd(value) {
    if (!(value > 0)) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 2.5, 5, 10].map((step) => step * power).find((end) => end >= value * (1 - 1e-9));
}

/**
 * Upright bars, one for each value. `bars`: `{ name, value, text }`; `width`: of the place, so that texts have their
 * size; `unit`: formats the axis.
 */
export function columns(bars, { width, label, unit }) {
    const [left, top, bottom, height] = [64, 8, 22, 190];
    const end = axisEnd(Math.max(...bars.map(({ value }) => value), 0));
    const svg = canvas(width, height, label);
    const plot = { width: width - left, height: height - top - bottom };
    const y = (value) => top + plot.height * (1 - value / end);
    for (const value of [0, end / 2, end]) {
        svg.append(shape('line', { x1: left, x2: width, y1: y(value), y2: y(value) }));
        svg.append(shape('text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, unit(value)));
    }
    const step = plot.width / bars.length;
    const every = Math.ceil(62 / step); // so that names do not touch
    bars.forEach(({ name, value, text }, i) => {
        const x = left + i * step;
        const tall = value > 0 ? Math.max(2, y(0) - y(value)) : 0;
        const at = { x: x + step * 0.15, y: y(0) - tall, width: step * 0.7, height: tall, class: 'bar' };
        const bar = shape('rect', at);
        bar.append(shape('title', {}, text));
        svg.append(bar);
        if ((bars.length - 1 - i) % every === 0) {
            const middle = Math.min(x + step / 2, width - HALF_NAME);
            svg.append(shape('text', { x: middle, y: height - 5, 'text-anchor': 'middle' }, name));
        }
    });
    return svg;
}

/** Lying bars with their names and values above them. `bars` and `width`: see {@link columns}. */
export function rows(bars, { width, label }) {
    const each = 40;
    const svg = canvas(width, each * bars.length, label);
    const end = Math.max(...bars.map(({ value }) => value), 0) || 1;
    const letters = Math.floor((width - 110) / 7.5);
    bars.forEach(({ name, value, text, short }, i) => {
        const top = i * each;
        const long = value > 0 ? Math.max(2, (value / end) * width) : 0;
        const shown = name.length > letters ? `${name.slice(0, letters - 1)}…` : name;
        svg.append(shape('text', { x: 0, y: top + 13, class: 'label' }, shown));
        svg.append(shape('text', { x: width, y: top + 13, 'text-anchor': 'end' }, short));
        svg.append(shape('rect', { x: 0, y: top + 19, width, height: 10, rx: 2, class: 'track' }));
        const bar = shape('rect', { x: 0, y: top + 19, width: long, height: 10, rx: 2, class: 'bar' });
        bar.append(shape('title', {}, text));
        svg.append(bar);
    });
    return svg;
}
