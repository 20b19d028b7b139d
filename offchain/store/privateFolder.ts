import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { isOpenToOthers } from '../process/keyFiles';

/** The folder that the processes of this user share; undefined where none can be used. */
export function privateFolder(home: string): string | undefined {
    const folder = join(home, '.cocoon-market');
    try {
        if (!existsSync(folder)) {
            mkdirSync(folder, { mode: 0o700 });
        }
        const { uid, mode } = lstatSync(folder);
        return uid === userInfo().uid && !isOpenToOthers(mode) ? folder : undefined;
    } catch (error) {
        if (
            ['EACCES', 'EROFS', 'ENOENT', 'ENOTDIR', 'EPERM', 'EEXIST'].includes(
                (error as { code?: string }).code ?? '',
            )
        ) {
            return undefined;
        }
        throw error;
    }
}
