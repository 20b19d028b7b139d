/** Journeys through real processes: what a test asks of them, over HTTP and on chain. */
import { opcodeName } from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import OpenAI from 'openai';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCocoon, RunningProcess } from '../../demo/processes';
import { Stage } from '../../demo/stage';

/** A row of `cocoon gateway jobs --json`; amounts are nanoTON. */
export interface JobRow {
    job: number;
    phase: string;
    channel: string;
    deposit: string;
    owed: string;
    paid: string;
}

export function openaiOf(gateway: RunningProcess): OpenAI {
    return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'not needed', maxRetries: 0 });
}

/** Asks a running gateway through the command line, as its user would. */
export async function gatewayJobs(gateway: RunningProcess): Promise<JobRow[]> {
    return JSON.parse(await runCocoon(['gateway', 'jobs', '--url', gateway.url, '--json'])) as JobRow[];
}

export async function endJob(
    gateway: RunningProcess,
    how: 'settle' | 'leave' | 'refund',
    job: number,
): Promise<JobRow> {
    const printed = await runCocoon(['gateway', how, `${job}`, '--url', gateway.url, '--json']);
    return JSON.parse(printed) as JobRow;
}

/** Waits until `holds` does. Throws after `seconds`. */
export async function until(holds: () => Promise<boolean>, seconds = 60): Promise<void> {
    for (let poll = 0; poll < seconds * 10; poll++) {
        if (await holds()) {
            return;
        }
        await sleep(100);
    }
    throw new Error(`It did not come to pass within ${seconds} s`);
}

/** True when nothing is left of an account. */
export async function isGone(stage: Stage, address: Address): Promise<boolean> {
    const { state, balance } = await stage.chain.account(address);
    return state === 'uninitialized' && balance === 0n;
}

/** The messages that one account got from another so far: values in nanoTON, opcodes by name. */
export function messagesBetween({ network }: Stage, from: Address, to: Address): { value: bigint; name: string }[] {
    return network.transactions.flatMap(({ account, inMessage }) =>
        account === to.toRawString() && inMessage?.source === from.toRawString()
            ? [{ value: inMessage.value, name: inMessage.opcode === null ? '' : opcodeName(inMessage.opcode) }]
            : [],
    );
}
