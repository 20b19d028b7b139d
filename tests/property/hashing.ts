/** Imported first outside jest: hashes cells by OpenSSL there, too, see tests/support/sha256.ts. */
import { sha256_sync } from '../support/sha256';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the one object that @ton/crypto reads its function from
const primitives = require('@ton/crypto/dist/primitives/sha256') as { sha256_sync: typeof sha256_sync };
primitives.sha256_sync = sha256_sync;
