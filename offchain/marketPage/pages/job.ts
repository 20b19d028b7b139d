/** The page of a job: its history, from the address of its channel. */
import type { IndexedJob } from '../../indexer/jobs';
import { countText, none, plural, time, ton, tonWithUnit } from '../format';
import { html } from '../html';
import { section } from '../layout';
import { jobState } from '../moreLists';
import type { Page, Site } from '../site';
import { asObject, type Column, csvOf, facts, meant, tableOf } from '../table';
import { heading } from './details';

interface Event {
    at: number;
    what: string;
    amount: bigint | null;
}

/** What happened to a job, from its opening on. */
export function eventsOf(job: IndexedJob): Event[] {
    const events: Event[] = [
        { at: job.openedAt, what: 'opened', amount: job.deposit },
        ...job.claims.map(({ at, amount }) => ({ at, what: 'paid', amount })),
        ...(job.leftAt === null ? [] : [{ at: job.leftAt, what: 'client left', amount: null }]),
    ].sort((one, other) => one.at - other.at);
    if (job.endedAt !== null) {
        events.push({ at: job.endedAt, what: job.how === 'refunded' ? 'refunded' : 'settled', amount: job.rest });
    }
    return events;
}

const EVENT_WORDS: Record<string, string> = {
    opened: 'The client opened it, with this deposit',
    paid: 'The channel paid the payout',
    'client left': 'The client left; the notice began',
    refunded: 'The rest went back to the client by a refund',
    settled: 'The payout claimed for the last time; the rest went back to the client',
};

export function jobPage(site: Site, job: IndexedJob): Page {
    const { accounts, snapshot, reading } = site;
    const providers = snapshot.view.providers.filter(({ payouts }) => payouts.includes(job.payout));
    const events = eventsOf(job);
    const columns: Column<Event>[] = [
        { name: 'at', label: 'Time (UTC)', kind: 'time', value: ({ at }) => at },
        {
            name: 'event',
            label: 'What',
            kind: 'text',
            value: ({ what }) => what,
            show: ({ what }) => EVENT_WORDS[what],
        },
        {
            name: 'amount',
            label: 'TON',
            kind: 'ton',
            value: ({ amount }) => amount,
            show: ({ amount }) => (amount === null ? '' : ton(amount)),
        },
    ];
    return {
        title: `Job ${accounts.short(job.channel)}`,
        json: () => ({
            ...job,
            providers: providers.map(({ provider }) => provider),
            events: events.map((event) => asObject(columns, event)),
        }),
        csv: () => csvOf(columns, events),
        body: () =>
            html`${heading('Job', accounts.friendly(job.channel))}
                <div class="cards">
                    ${section(
                        'terms',
                        'Terms and money',
                        facts([
                            ['State', jobState(job, reading.now)],
                            ['Client', accounts.show(job.client)],
                            ['Payout', accounts.show(job.payout)],
                            [
                                'Provider',
                                providers.length === 0
                                    ? none
                                    : providers.map(({ provider }) => html`${accounts.show(provider, '/providers')} `),
                            ],
                            [meant('Deposit', 'openings'), tonWithUnit(job.deposit)],
                            [meant('Paid', 'claimed'), tonWithUnit(job.claimed)],
                            ['Returned', tonWithUnit(job.rest)],
                            ['Opened', time(job.openedAt)],
                            ['Ends by', time(job.end)],
                            ['Notice', `${countText(job.notice)} s`],
                            ['Number in its escrow', countText(job.number)],
                        ]),
                    )}
                    ${section('history', 'History', tableOf(columns, events.slice(0, 1000), { caption: plural(events.length, 'event'), empty: '' }))}
                </div>
                <p class="small">A chain does not say which model a job uses, nor what was asked.</p>`,
    };
}
