/**
 * A process that joins the cluster of a database and adds rows, until it may not. It prints a line for each row that is
 * on the disk. It kills itself when the store is broken.
 */
import { openPostgres } from '../../../offchain/store/postgresEngine';

async function main(url: string): Promise<void> {
    const tables = { schema: 'things', scripts: ['CREATE TABLE thing (member bigint NOT NULL)'] };
    const { writes, cluster } = await openPostgres<{ thing: { member: number } }>(url, tables, {
        member: { identity: 'one' },
        onBroken: () => process.kill(process.pid, 'SIGKILL'),
    });
    for (;;) {
        await writes.run((t) => t.insertInto('thing').values({ member: cluster.number }).execute());
        console.log(cluster.number);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

void main(process.argv[2]);
