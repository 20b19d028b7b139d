/** Plots as SVG without texts inside, so that they fit every width. What they show also stands in a table. */
import { html, type Html, type Markup } from './html';

const UNIT = 1000; // of both axes

/** A round number at or above `value`, for the end of an axis. */
export function axisEnd(value: number): number {
    if (!(value > 0)) {
        return 1;
    }
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 2.5, 5, 10].map((step) => step * power).find((end) => end >= value * (1 - 1e-9))!;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** A lying bar; `share` from 0 to 1. */
export function bar(share: number, kind = ''): Html {
    const long = share > 0 ? Math.max(1, round(Math.min(1, share) * 100)) : 0;
    return html`<svg class="bar ${kind}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="8"></rect>
        <rect class="fill" width="${long}" height="8"></rect>
    </svg>`;
}

export interface Plotted {
    label: string; // says what the plot shows
    unit: (value: number) => string; // of the axis
    names: readonly [string, string] | readonly [string, string, string]; // below: first, middle, last
}

function frame({ label, unit, names }: Plotted, end: number, shapes: Markup): Html {
    const grid = [0, UNIT / 2, UNIT].map(
        (y) => html`<line x1="0" x2="${UNIT}" y1="${y}" y2="${y}" class="grid"></line>`,
    );
    return html`<div class="plot">
        <div class="axis" aria-hidden="true">
            ${[end, end / 2, 0].map((value) => html`<span>${unit(value)}</span>`)}
        </div>
        <svg viewBox="0 0 ${UNIT} ${UNIT}" preserveAspectRatio="none" role="img" aria-label="${label}">
            ${grid}${shapes}
        </svg>
        <div class="names" aria-hidden="true">${names.map((name) => html`<span>${name}</span>`)}</div>
    </div>`;
}

/** Upright bars, one for each value; `text`: what a pointer reads. */
export function columns(values: readonly { value: number; text: string }[], plotted: Plotted): Html {
    const end = axisEnd(Math.max(0, ...values.map(({ value }) => value)));
    const step = UNIT / Math.max(1, values.length);
    const shapes = values.map(({ value, text }, i) => {
        const tall = value > 0 ? Math.max(8, (value / end) * UNIT) : 0;
        const place = html`x="${round(i * step)}" width="${round(step)}"`;
        return html`<g>
            <title>${text}</title>
            <rect class="hit" ${place} height="${UNIT}"></rect>
            <rect
                class="fill"
                x="${round((i + 0.14) * step)}"
                width="${round(step * 0.72)}"
                y="${round(UNIT - tall)}"
                height="${round(tall)}"
            ></rect>
        </g>`;
    });
    return frame(plotted, end, shapes);
}

export interface PlotStep {
    at: number; // from 0 to 1
    value: number | null; // null: nothing from here on
}

/** What stays until the next change, as a path. */
function pathOf(steps: readonly PlotStep[], end: number): string {
    let [path, previous] = ['', null as number | null];
    for (const { at, value } of steps) {
        const x = round(at * UNIT);
        if (previous !== null) {
            path += `H${x}`;
        }
        if (value !== null) {
            const y = round(UNIT - (value / end) * UNIT);
            path += previous === null ? `M${x} ${y}` : `V${y}`;
        }
        previous = value;
    }
    return previous === null ? path : `${path}H${UNIT}`;
}

/** Lines of values that stay until they change. The kinds of lines differ in colour and dashes. */
export function stairs(lines: readonly { kind: string; steps: readonly PlotStep[] }[], plotted: Plotted): Html {
    const values = lines.flatMap(({ steps }) => steps.map(({ value }) => value ?? 0));
    const end = axisEnd(Math.max(0, ...values));
    return frame(
        plotted,
        end,
        lines.map(({ kind, steps }) => html`<path class="line ${kind}" d="${pathOf(steps, end)}"></path>`),
    );
}

/** A small one without axes, for a row of a table. */
export function spark(steps: readonly PlotStep[], label: string): Html {
    const end = Math.max(...steps.map(({ value }) => value ?? 0), 0) * 1.1 || 1;
    return html`<svg
        class="spark"
        viewBox="0 0 ${UNIT} ${UNIT}"
        preserveAspectRatio="none"
        role="img"
        aria-label="${label}"
    >
        <title>${label}</title>
        <path class="line" d="${pathOf(steps, end)}"></path>
    </svg>`;
}
