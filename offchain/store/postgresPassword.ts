/** The password of a PostgreSQL user, from where PostgreSQL's own programs take it. */
import { readFileSync } from 'node:fs';
import { Remedied } from '../process/errors';

interface Access {
    host: string;
    port: number;
    database: string | undefined;
    user: string | undefined;
}

// A server that wants a password refuses this one and says so; without any the connection would stay half open.
const NONE = 'none';

/** PGPASSWORD, or the password of the first line of the file of PGPASSFILE that fits. */
export function passwordFor({ host, port, database, user }: Access): string {
    const { PGPASSWORD: password, PGPASSFILE: file } = process.env;
    if (password !== undefined || file === undefined) {
        return password ?? NONE;
    }
    const names = [host, String(port), database, user];
    for (const line of readFileSync(file, 'utf8').split('\n')) {
        const fields = (line.match(/(?:\\.|[^:\\])+/g) ?? []).map((field) => field.replace(/\\(.)/g, '$1'));
        if (fields.length === 5 && names.every((name, i) => fields[i] === '*' || fields[i] === name)) {
            return fields[4];
        }
    }
    return NONE;
}

/** The error of a connection, with what to do if the server refused the user or has no such database. */
export function refusalOf(error: unknown, name: string): unknown {
    const { code, message } = error as { code?: string; message: string };
    if (code === '3D000') {
        return new Remedied(`${name} refused the connection: ${message}`, {
            remedy: 'make it with CREATE DATABASE, or correct the address of the store',
        });
    }
    return code === '28P01' || code === '28000'
        ? new Remedied(`${name} refused the user: ${message}`, {
              remedy: 'set PGPASSWORD, or PGPASSFILE to a file with a line host:port:database:user:password for it',
          })
        : error;
}
