/** A contract of a stranger that asks for all that a wallet has. */
import { beginCell } from '@ton/core';

/** Empties its stack and puts 2^40 there: answers each getter with 1,099 TON, and keeps what it is sent. */
export const GREEDY = beginCell().storeBuffer(Buffer.from('68658327', 'hex')).endCell();
