/** Draws a report as SVG: cost and locked coins by size of job, and unserved queries by the client's escrows. */
import { type Level, LEVELS } from './fees';
import { COMPARED } from './model';
import type { ScaleReport } from './report';
import type { ScenarioResult } from './scenarios';

interface Point {
    x: number;
    y: number;
}

interface Line {
    label: string;
    color: string;
    points: Point[];
    dashed?: true;
    labelAt?: Point; // the last point by default
}

interface Axis {
    label: string;
    ticks: number[];
    text: (tick: number) => string;
    log?: true;
}

interface Panel {
    title: string;
    x: Axis;
    y: Axis;
    lines: Line[];
    shaded?: { from: number; to: number; label: string };
}

const COLORS = ['#1f5fa8', '#c2571a', '#2e7d4f'];
const LIMIT = '#a02020';
const INK = '#333';
const PANEL = { width: 660, height: 300, x: 80, y: 44, rightMargin: 165, bottomMargin: 54 };
const INNER = {
    width: PANEL.width - PANEL.x - PANEL.rightMargin,
    height: PANEL.height - PANEL.y - PANEL.bottomMargin,
};

const fixed = (value: number): string => value.toFixed(1);

function scaleOf({ ticks, log }: Axis, length: number): (value: number) => number {
    const of = (value: number) => (log ? Math.log10(value) : value);
    const [from, to] = [of(ticks[0]), of(ticks[ticks.length - 1])];
    return (value) => ((of(value) - from) / (to - from)) * length;
}

function drawPanel({ title, x, y, lines, shaded }: Panel, offset: number): string[] {
    const toX = scaleOf(x, INNER.width);
    const up = scaleOf(y, INNER.height);
    const toY = (value: number) => INNER.height - up(value);
    const text = (content: string, attributes: string) => `<text ${attributes}>${content}</text>`;
    return [
        `<g transform="translate(${PANEL.x} ${offset + PANEL.y})">`,
        text(title, `x="0" y="-18" font-size="15" font-weight="bold"`),
        ...(shaded === undefined
            ? []
            : [
                  `<rect x="${fixed(toX(shaded.from))}" y="0" width="${fixed(toX(shaded.to) - toX(shaded.from))}" ` +
                      `height="${INNER.height}" fill="#e4e4e4"/>`,
                  text(shaded.label, `x="${fixed(toX(shaded.from) - 6)}" y="14" text-anchor="end"`),
              ]),
        ...y.ticks.flatMap((tick) => [
            `<line x1="0" x2="${INNER.width}" y1="${fixed(toY(tick))}" y2="${fixed(toY(tick))}" stroke="#ccc"/>`,
            text(y.text(tick), `x="-8" y="${fixed(toY(tick) + 4)}" text-anchor="end"`),
        ]),
        ...x.ticks.flatMap((tick) => [
            `<line x1="${fixed(toX(tick))}" x2="${fixed(toX(tick))}" y1="${INNER.height}" y2="${INNER.height + 5}" ` +
                `stroke="${INK}"/>`,
            text(x.text(tick), `x="${fixed(toX(tick))}" y="${INNER.height + 19}" text-anchor="middle"`),
        ]),
        `<path d="M0 0V${INNER.height}H${INNER.width}" fill="none" stroke="${INK}"/>`,
        text(x.label, `x="${INNER.width / 2}" y="${INNER.height + 40}" text-anchor="middle"`),
        text(y.label, `transform="translate(-62 ${INNER.height / 2}) rotate(-90)" text-anchor="middle"`),
        ...lines.flatMap((line) => drawLine(line, toX, toY)),
        '</g>',
    ];
}

function drawLine(
    { label, color, points, dashed, labelAt }: Line,
    toX: (x: number) => number,
    toY: (y: number) => number,
): string[] {
    const path = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${fixed(toX(x))} ${fixed(toY(y))}`).join('');
    const at = labelAt ?? points[points.length - 1];
    return [
        `<path d="${path}" fill="none" stroke="${color}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`,
        ...(points.length > 5 || dashed
            ? []
            : points.map(
                  ({ x, y }) => `<circle cx="${fixed(toX(x))}" cy="${fixed(toY(y))}" r="3.5" fill="${color}"/>`,
              )),
        `<text x="${fixed(toX(at.x) + 8)}" y="${fixed(toY(at.y) + 4)}" fill="${color}">${label}</text>`,
    ];
}

/** The plot of a report, as a file. */
export function plotOf({ scenarios }: ScaleReport): string {
    const sizes = scenarios.filter(({ group }) => group === 'size');
    const jobSizes = [1_000, 10_000, 100_000];
    const bySize = (of: (result: ScenarioResult) => number): Point[] =>
        sizes.map((result, i) => ({ x: jobSizes[i], y: of(result) }));
    const x: Axis = {
        label: 'queries of a job',
        ticks: jobSizes,
        text: (tick) => tick.toLocaleString('en-US'),
        log: true,
    };
    const limit = (label: string, y: number): Line => ({
        ...{ label, color: LIMIT, dashed: true },
        points: [jobSizes[0], jobSizes[jobSizes.length - 1]].map((size) => ({ x: size, y })),
    });
    const cost = (level: Level, i: number): Line => ({
        label: `prices of ${level}`,
        color: COLORS[i],
        points: bySize((result) => result.cost[level].part * 100),
    });
    const orders = [
        { name: '1 escrow, 1 job an order' },
        { name: '1 escrow, 4 jobs an order', labelAt: { x: 20.38, y: 12 } },
        { name: '100 escrows, 1 job an order' },
    ];
    const byMinute = ({ name, labelAt }: { name: string; labelAt?: Point }, i: number): Line => ({
        label: name,
        color: COLORS[i],
        labelAt,
        points: (scenarios.find((result) => result.name === name)?.unserved ?? []).map((part, minute) => ({
            x: COMPARED.fromHour + (minute + 1) / 60,
            y: part * 100,
        })),
    });
    const panels: Panel[] = [
        {
            title: 'Cost of a query, as a part of its price',
            x,
            y: { label: 'percent', ticks: [0.1, 1, 10], text: String, log: true },
            lines: [...LEVELS.map(cost), limit('limit: 1 %', 1)],
        },
        {
            title: "Coins locked in channels, as a part of a day's turnover",
            x,
            y: { label: 'part', ticks: [0.001, 0.01, 0.1, 1], text: String, log: true },
            lines: [
                { label: 'mean over a day', color: COLORS[0], points: bySize(({ lockedPart }) => lockedPart) },
                limit('limit: 0.3', 0.3),
            ],
        },
        {
            title: 'Unserved queries around the busiest hour, jobs of 10,000',
            x: { label: 'hour of the day', ticks: [18.5, 19, 19.5, 20, 20.5, 21, 21.5], text: String },
            y: { label: 'percent', ticks: [0, 20, 40, 60, 80, 100], text: String },
            lines: orders.map(byMinute),
            shaded: { from: 20, to: 20 + 1 / 6, label: 'no blocks' },
        },
    ];
    const drawn = panels.flatMap((panel, i) => drawPanel(panel, i * PANEL.height));
    return [
        `<svg xmlns="http://www.w3.org/2000/svg" width="${PANEL.width}" height="${panels.length * PANEL.height}" ` +
            `font-family="sans-serif" font-size="12" fill="${INK}">`,
        '<rect width="100%" height="100%" fill="white"/>',
        ...drawn,
        '</svg>',
        '',
    ].join('\n');
}
