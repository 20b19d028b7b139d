/**
 * Cells and the emulator are faster, see localnet/fast.ts: jest imports this before each test file, other runs first.
 */
import '../../localnet/fast';
