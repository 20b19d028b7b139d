/**
 * `npm run test:property [-- actions [seed]]`: random actions against the model; prints the seed, and what fails made
 * short.
 */
import '../support/faster';
import { drawActions, failureOf, shortened } from './episode';
import { StakeMarket } from './market';

const EPISODE = 400; // actions from one beginning

async function main(count: number, seed: number): Promise<void> {
    console.log(`${count} actions, seed ${seed}`);
    const market = await StakeMarket.launch();
    const started = performance.now();
    for (let done = 0, episode = seed; done < count; done += EPISODE, episode++) {
        const list = drawActions(episode, Math.min(EPISODE, count - done));
        const error = await failureOf(market, list);
        if (error !== undefined) {
            console.error(`Episode ${episode} fails after ${done} actions:`, error);
            const short = await shortened(market, list);
            console.error(short.map((action) => JSON.stringify(action)).join('\n'), await failureOf(market, short));
            process.exitCode = 1;
            return;
        }
    }
    const seconds = (performance.now() - started) / 1000;
    const outcomes = [...market.outcomes].sort(([a], [b]) => (a < b ? -1 : 1));
    console.log(outcomes.map(([name, times]) => `${name}: ${times}`).join('\n'));
    console.log(
        `${count} actions in ${seconds.toFixed(0)} s, ${((seconds * 1000) / count).toFixed(1)} ms each; no violation`,
    );
}

const [count, seed] = process.argv.slice(2).map(Number);
void main(count ?? 20_000, seed ?? Math.floor(Math.random() * 2 ** 31));
