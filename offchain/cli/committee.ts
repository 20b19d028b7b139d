/** `cocoon committee`: how M of N members rule on a case (B1). Each signs alone; anyone submits. */
import type { CaseFile, CaseState } from '@cocoon-market/wrappers';
import {
    bytesToNumber,
    caseStates,
    faultClasses,
    numberToBytes,
    ruleBounds,
    signingKey,
    submitVerdict,
    Verdict,
    Verifier,
} from '@cocoon-market/wrappers';
import { Address } from '@ton/core';
import { Command } from 'commander';
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { Chain } from '../chain';
import { openQuery, opening, toWire } from '../link';
import { address, hex, ofOneNetwork, whole } from '../process/fields';
import { readSeed } from '../process/keyFiles';
import { readJsonAs } from '../process/settings';
import { addressText } from '../process/addresses';
import { acting, ActFlags, addressOn, chainOf, reading, send } from './actor';
import { CaseReading, displayOf, hashOf, openCase, readCase } from './case';
import { keygenCommand } from './keygen';
import { print } from './output';

/** A member's vote as `sign` writes it and `submit` reads it. */
const voteFile = z
    .object({
        version: z.literal('cocoon-market vote 1'),
        network: z.int(),
        dispute: address,
        member: whole(0, ruleBounds.maxMembers - 1),
        basisPoints: whole(0, 10_000),
        rulesVersion: z.int(),
        validUntil: z.int(),
        signature: hex(64),
    })
    .superRefine(ofOneNetwork);

const { number: B1 } = faultClasses.B1;
const MAKER = 'cocoon committee keygen';

/** The command with its subcommands. */
export function committeeCommand(): Command {
    const command = new Command('committee');

    keygenCommand(command, MAKER, "write a new member's key; its public half goes to the governor");

    reading(command.command('read <dispute>').description('print a case, and check the statement that came with it'))
        .option('--statement <file>', 'the file that the report names as its statement')
        .action(async (dispute: string, flags: ActFlags & { statement?: string }) => {
            const chain = chainOf(flags.config);
            const address = addressOn(chain, dispute);
            const reading = await readJudged(chain, address);
            const { file } = reading;
            const view = {
                ...displayOf(chain, address, reading),
                threshold: file.committee.threshold,
                members: file.committee.keys.length,
                ...(flags.statement !== undefined && checked(file, flags.statement)),
            };
            print(flags, view);
        });

    reading(command.command('sign <dispute>').description('sign a verdict as a member, into a file'))
        .requiredOption('--key <file>', "the member's key, made by keygen")
        .requiredOption('--basis-points <number>', 'of the share; 0 acquits', Number)
        .option(
            '--statement <file>',
            'the file that the report names as its statement; it is checked. Only an acquittal goes without',
        )
        .requiredOption('--out <file>', 'where the vote goes; never over a file that exists')
        .action(sign);

    acting(command.command('submit <dispute> <votes...>').description('submit the votes of enough members')).action(
        async (dispute: string, files: string[], flags: ActFlags) => submit(dispute, files, flags),
    );

    return command;
}

async function readJudged(chain: Chain, address: Address): Promise<CaseReading> {
    const reading = await readCase(chain, address);
    if (reading.file.class !== 'B1') {
        throw new Error(`There is no case for a committee at ${addressText(address, chain)}`);
    }
    return reading;
}

/** What the statement contains. Throws unless the report names it, it opens, and it is of the case's query. */
function checked(file: CaseFile, path: string) {
    if (!hashOf(path).equals(file.about!)) {
        throw new Error(`${path} is not the file that the report names: it has another hash`);
    }
    const { job, result, modelRequest } = openQuery(readJsonAs(opening, path, 'opening'));
    if (!job.equals(file.job) || result.number !== file.query) {
        throw new Error(`${path} opens another query than that of the case`);
    }
    return { check: 'opens, and the node signed for exactly this request and answer', model: modelRequest.body.model };
}

function assertOpen({ state }: CaseState): void {
    if (state !== caseStates.open) {
        throw new Error('The case is closed');
    }
}

interface SignFlags extends ActFlags {
    key: string;
    basisPoints: number;
    statement?: string;
    out: string;
}

async function sign(
    dispute: string,
    { config, key: path, basisPoints, statement, out, json = false }: SignFlags,
): Promise<void> {
    const chain = chainOf(config);
    const address = addressOn(chain, dispute);
    const { state, file } = await readJudged(chain, address);
    const { rulesVersion, committee, maxBasisPoints: max } = file;
    if (statement !== undefined) {
        checked(file, statement);
    } else if (basisPoints !== 0) {
        throw new Error(
            'A verdict that slashes needs the statement that the report names: --statement FILE, or acquit',
        );
    }
    assertOpen(state);
    if (!Number.isInteger(basisPoints) || basisPoints < 0 || basisPoints > max) {
        throw new Error(`This case costs 0 to ${max} basis points`);
    }
    const key = signingKey(readSeed(path, MAKER));
    const member = committee.keys.indexOf(bytesToNumber(key.publicKey));
    if (member < 0) {
        throw new Error(`The key in ${path} does not belong to the committee of the case`);
    }
    const payload = { rulesVersion, basisPoints, validUntil: Number(state.decideFrom) };
    const { network } = chain;
    const signature = key.sign(Verdict.hash({ network, dispute: address.hash, class: B1, ...payload }));
    const raw = address.toRawString();
    const made = { version: 'cocoon-market vote 1', network, dispute: raw, member, ...payload, signature };
    writeFileSync(out, `${JSON.stringify(toWire(made), null, 4)}\n`, { flag: 'wx' });
    print({ json }, made, () => `${out}: member ${member}, ${basisPoints} basis points`);
}

async function submit(dispute: string, files: string[], flags: ActFlags): Promise<void> {
    const chain = chainOf(flags.config);
    const address = addressOn(chain, dispute);
    const { state, file, at } = await readJudged(chain, address);
    assertOpen(state);
    if (!state.stated && at <= Number(state.answerBy)) {
        throw new Error('The owner may still make a statement: submit after answerBy, or once they have');
    }
    const votes = files.map((path) =>
        checkVote(path, readJsonAs(voteFile, path, 'vote', '"cocoon committee sign" writes one'), chain, address, file),
    );
    const [{ basisPoints, validUntil }] = votes;
    if (votes.some((other) => other.basisPoints !== basisPoints || other.validUntil !== validUntil)) {
        throw new Error('These members do not agree: only equal verdicts count together');
    }
    const members = [...new Map(votes.map((one) => [one.member, one])).values()];
    const { threshold } = file.committee;
    if (members.length < threshold) {
        throw new Error(`${members.length} of ${threshold} members have signed`);
    }
    const attached = await openCase(chain, address).getCloseValue();
    const sent = await send(chain, flags, attached, (actor) =>
        submitVerdict(actor, { dispute: address, basisPoints, validUntil, votes: members }),
    );
    print(flags, { sent, ...displayOf(chain, address, await readCase(chain, address)) });
}

function checkVote(
    path: string,
    vote: z.output<typeof voteFile>,
    { network }: Chain,
    dispute: Address,
    { committee, rulesVersion }: CaseFile,
) {
    const { member, basisPoints, validUntil, signature } = vote;
    const key = committee.keys[member];
    const hash = Verdict.hash({ network, dispute: dispute.hash, class: B1, basisPoints, rulesVersion, validUntil });
    const publicKey = numberToBytes(key ?? 0n);
    if (key === undefined || !vote.dispute.equals(dispute) || !new Verifier(publicKey).verify(hash, signature)) {
        throw new Error(`${path} is no vote of a member in this case`);
    }
    return { member, basisPoints, validUntil, signature };
}
