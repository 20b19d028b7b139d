import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rejectionOf, readQuote, reportData } from '../../../offchain/attest';
import { attestCommand } from '../../../offchain/cli/attest';
import { attestation } from '../../../offchain/link';
import { NOW, TestIntel } from '../support/intel';

const intel = new TestIntel();
const keys = { encryptionKey: Buffer.alloc(32, 2), receiptKey: Buffer.alloc(32, 3), node: Buffer.alloc(32, 4) };
const expiry = NOW + 3600;
const good = intel.evidence(reportData(keys, expiry), expiry);
const { measurement } = readQuote(good.quote);

let folder: string;
let printed: string[];

const run = (...args: string[]) => attestCommand().exitOverride().parseAsync(args, { from: 'user' });

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-attest-'));
    printed = [];
    jest.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
    writeFileSync(join(folder, 'quote'), good.quote);
    const { collateral } = good;
    writeFileSync(
        join(folder, 'collateral.json'),
        JSON.stringify({
            pck_crl_issuer_chain: 'not needed',
            tcb_info: collateral.tcbInfo,
            tcb_info_signature: collateral.tcbInfoSignature.toString('hex').toUpperCase(),
            tcb_info_issuer_chain: collateral.tcbInfoChain,
            qe_identity: collateral.qeIdentity,
            qe_identity_signature: collateral.qeIdentitySignature.toString('hex'),
            qe_identity_issuer_chain: collateral.qeIdentityChain,
            root_ca_crl: collateral.rootCrl.toString('hex'),
            pck_crl: collateral.pckCrl.toString('hex'),
        }),
    );
});

afterEach(() => {
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true });
});

describe('cocoon attest', () => {
    it('measurement prints what a client allows', async () => {
        await run('measurement', '--quote', join(folder, 'quote'));
        expect(printed).toEqual([measurement.toString('hex')]);
    });

    it('proof makes of quote and collateral what a worker shows and a gateway takes', async () => {
        const files = ['--quote', join(folder, 'quote'), '--collateral', join(folder, 'collateral.json')];
        await run('proof', ...files, '--expiry', String(expiry));

        const evidence = attestation.parse(JSON.parse(printed[0]));
        const policy = { tiers: ['tdx'] as const, measurements: [measurement], tdxRoot: intel.root };
        expect(rejectionOf(evidence, keys, policy, NOW)).toBeUndefined();
    });

    it('names every field of the collateral that is missing', async () => {
        writeFileSync(join(folder, 'collateral.json'), '{}');
        const files = ['--quote', join(folder, 'quote'), '--collateral', join(folder, 'collateral.json')];
        await expect(run('proof', ...files, '--expiry', '1')).rejects.toThrow('pck_crl');
    });
});
