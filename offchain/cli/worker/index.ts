/** `cocoon worker`: what a provider runs. */
import { Command } from 'commander';
import type { WorkerParts } from '../../worker';
import { addClaim } from './claim';
import { addDoctor } from './doctor';
import { addEarnings } from './earnings';
import { addInit } from './init';
import { addIntake } from './intake';
import { addKeygen } from './keygen';
import { addLeave } from './leave';
import { addPrices } from './prices';
import { addRestore } from './restore';
import { addRun } from './run';
import { addStatus } from './status';
import { addSweep } from './sweep';

/** The command with its subcommands; `parts` take the place of those that the configuration names. */
export function workerCommand(parts: WorkerParts = {}): Command {
    const worker = new Command('worker');
    addRun(worker, parts);
    addInit(worker);
    addKeygen(worker);
    addDoctor(worker, parts);
    addClaim(worker, parts);
    addStatus(worker, parts);
    addEarnings(worker, parts);
    addSweep(worker, parts);
    addPrices(worker);
    addIntake(worker, parts);
    addLeave(worker, parts);
    addRestore(worker);
    return worker;
}
