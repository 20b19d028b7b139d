/** How SQLite answers what an index asks of itself: never by all facts of a kind for each account of a large market. */
import { sql } from 'kysely';
import { NO_CHANNEL, UNNAMED } from '../../offchain/indexer/named';
import { openIndex } from '../../offchain/indexer/open';
import { endOfChannel } from '../../offchain/indexer/writes';

it.each([
    ['accounts that nothing names any more', UNNAMED[2], 'f'],
    ['accounts that are no channel', `SELECT log FROM logs WHERE ${NO_CHANNEL}`, 'facts'],
    ['the end of a channel', endOfChannel('channel/0:00'), 'facts'],
])('SQLite looks for %s by the facts of each log', async (_, query, facts) => {
    const store = await openIndex(':memory:');
    const plan = typeof query === 'string' ? sql.raw<{ detail: string }>(query) : query;
    const { rows } = await sql<{ detail: string }>`EXPLAIN QUERY PLAN ${plan}`.execute(store.db);
    await store.close();

    expect(rows.map(({ detail }) => detail)).toContain(`SEARCH ${facts} USING INDEX sqlite_autoindex_facts_1 (log=?)`);
});
