/** Makes `@ton/crypto` hash cells by OpenSSL, see sha256.ts: jest imports it before each test file, other runs first. */
import { sha256_sync } from './sha256';

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the one object that @ton/crypto reads its function from
const primitives = require('@ton/crypto/dist/primitives/sha256') as { sha256_sync: typeof sha256_sync };
primitives.sha256_sync = sha256_sync;
