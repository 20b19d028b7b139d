/** Where measured data come from, because a chain has none. */
import { countText, time } from '../format';
import { html, type Html } from '../html';
import type { Site } from '../site';
import { visibleText } from '../text';

export function measuredNote({ measured }: Pick<Site, 'measured'>): Html {
    if (measured === undefined) {
        return html`<p>
            A chain has no speed and no success. A gateway measures both, and this page shows them when a gateway shares
            them: <code>cocoon market serve --measured URL</code>. Every other number here needs only the chain.
        </p>`;
    }
    const { source, at, byEndpoint, requests } = measured;
    const all = requests && requests.answered + requests.failed;
    return html`<p>
            The gateway at <bdi>${visibleText(source)}</bdi> measured the speed of ${byEndpoint.size} nodes, and shared
            it at ${time(at)}. <a href="/nodes">The list of nodes</a> has the values. Others may measure otherwise.
        </p>
        ${
            requests !== undefined &&
            html`<p>
                Since ${time(requests.since)} it answered ${countText(requests.answered)} requests of its own apps, and
                ${countText(requests.failed)}
                failed${all !== undefined && all > 0 && ` (${((100 * requests.answered) / all).toFixed(1)} % success)`}.
            </p>`
        }`;
}
