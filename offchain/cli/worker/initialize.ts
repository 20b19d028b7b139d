/** What `cocoon worker init` does: prepares a node, registers it, says how to start the worker. */
import { resolve } from 'node:path';
import { assertUsableFolder, WorkerFiles } from '../../setup/files';
import { print } from '../output';
import { Questions } from '../question';
import type { InitFlags } from './initFlags';
import { prepareNode } from './initPlan';
import { register } from './initRegister';

/** Sets a node up, or goes on with it. Returns where its files are. */
export async function initialize(flags: InitFlags): Promise<WorkerFiles> {
    const { json = false, yes = false } = flags;
    const say = (line: string) => (json ? console.error(line) : console.log(line));
    const questions = new Questions(yes);
    const files = new WorkerFiles(resolve(flags.dir));
    assertUsableFolder(files.folder);
    const prepared = await prepareNode(flags, files, questions, say);
    const registered = await register(flags, files, prepared, questions, say);
    if (registered === undefined) {
        return files; // printed
    }
    const start = `cocoon worker run --config ${files.config}`;
    const view = {
        ...registered,
        config: files.config,
        manifest: files.manifest,
        keyFile: files.keys,
        start,
    };
    print({ json }, view, () => `The node is on chain.\nStart the worker: ${start}`);
    return files;
}
