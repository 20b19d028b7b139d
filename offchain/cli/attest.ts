/** `cocoon attest`: makes the attestation of a measured image, and prints the measurement that a client allows. */
import { Command, InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readQuote } from '../attest';
import { attestation, toWire } from '../link';
import { readJsonAs } from '../process/settings';

const bytes = z.string().regex(/^([0-9a-fA-F]{2})+$/, 'expected bytes of hex');

/** Collateral as caching services and their tools hand it out. */
const collateral = z.object({
    tcb_info: z.string(),
    tcb_info_signature: bytes,
    tcb_info_issuer_chain: z.string(),
    qe_identity: z.string(),
    qe_identity_signature: bytes,
    qe_identity_issuer_chain: z.string(),
    root_ca_crl: bytes,
    pck_crl: bytes,
});

/** The command with its subcommands. */
export function attestCommand(): Command {
    const command = new Command('attest');

    command
        .command('measurement')
        .description('print the measurement of the image that made a quote; it verifies nothing')
        .requiredOption('--quote <file>', 'the quote, as the machine made it')
        .action(({ quote }: { quote: string }) => {
            console.log(readQuote(readFileSync(quote)).measurement.toString('hex'));
        });

    command
        .command('proof')
        .description('print the attestation of a worker: a quote, its expiry, and what Intel says of the machine')
        .requiredOption('--quote <file>', 'the quote, as the machine made it')
        .requiredOption(
            '--collateral <file>',
            'JSON with tcb_info, qe_identity, their signatures and chains, and two CRLs',
        )
        .requiredOption('--expiry <seconds>', 'unix time that the report data of the quote was made for', expiryOf)
        .action(({ quote, collateral: path, expiry }: { quote: string; collateral: string; expiry: number }) => {
            const made = attestationOf(
                readFileSync(quote),
                readJsonAs(collateral, path, 'collateral of a machine'),
                expiry,
            );
            attestation.parse(made); // a worker takes nothing else
            console.log(JSON.stringify(made));
        });

    return command;
}

function attestationOf(quote: Buffer, input: z.output<typeof collateral>, expiry: number): unknown {
    readQuote(quote);
    return {
        tier: 'tdx',
        quote: toWire(quote),
        expiry,
        collateral: {
            tcbInfo: input.tcb_info,
            tcbInfoSignature: input.tcb_info_signature.toLowerCase(),
            tcbInfoChain: input.tcb_info_issuer_chain,
            qeIdentity: input.qe_identity,
            qeIdentitySignature: input.qe_identity_signature.toLowerCase(),
            qeIdentityChain: input.qe_identity_issuer_chain,
            rootCrl: input.root_ca_crl.toLowerCase(),
            pckCrl: input.pck_crl.toLowerCase(),
        },
    };
}

function expiryOf(text: string): number {
    const seconds = Number(text);
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 0xffffffff) {
        throw new InvalidArgumentError('an expiry is a whole number of unix seconds');
    }
    return seconds;
}
