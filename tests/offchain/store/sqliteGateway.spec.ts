import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openGatewayStore } from '../../../offchain/store/open';
import { describeGatewayStore } from './gatewayConformance';

let folder: string;

beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cocoon-store-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describeGatewayStore('a gateway store in SQLite', () => openGatewayStore(join(folder, 'gateway.db')));
