/** Every message and order of docs/schema.tlb that the model plays, as plain data. */
import type {
    Account,
    CaseRules,
    Change,
    Fault,
    Key,
    Listing,
    Receipt,
    Rules,
    RulesChange,
    Signature,
    Terms,
} from './types';

export interface Voucher {
    cumulative: bigint;
    count: number;
    signature: Signature;
}

export interface NewJob {
    deposit: bigint;
    end: number;
    notice: number;
    voucherKey: Key;
    payout: Account;
    channel: Account; // the account that the job's data and the code give
    malformed?: 'bit' | 'library' | 'proof'; // a bit too many, or an exotic cell
}

/** What the spend key signs: `signature` is over `orderText`. */
export interface Order {
    network: number;
    escrow: Account;
    seqno: number;
    validUntil: number;
    signature: Signature;
}

type Excess = { excessTo: Account };

/**
 * A body that no contract of its receiver's kind takes from its sender: a cell is truncated, exotic or too large, or a
 * stranger forges what only contracts send. Whatever refuses it, it changes nothing.
 */
export interface Unreadable {
    op: 'unreadable';
    of?: string; // what it was made of
}

export type Body =
    | { op: 'none' } // an empty body, or an empty comment
    | { op: 'text' } // a comment with text
    | { op: 'unknown' } // an opcode that no contract has
    | { op: 'short' } // less than an opcode
    | Unreadable
    | { op: 'excesses' }
    // Channel
    | ({ op: 'claim' } & Voucher)
    | ({ op: 'claimLast' } & Voucher)
    | { op: 'leave' }
    | { op: 'refund' }
    | { op: 'topUp'; signed: bigint }
    // Escrow
    | { op: 'deposit' }
    | {
          op: 'setUp';
          deposit: bigint;
          spendKey?: Key;
          jobLimit: bigint;
          dayLimit: bigint;
          code?: 'plain' | 'library' | 'large'; // large: more than 1,024 cells
          extra?: boolean; // bits after the fields
      }
    | { op: 'open'; seqno: number; total: bigint; jobs: readonly NewJob[]; extra?: boolean }
    | { op: 'leaveJob'; channel: Account; extra?: boolean }
    | { op: 'withdraw'; amount: bigint; extra?: boolean }
    | ({ op: 'openJobs'; total: bigint; jobs: readonly NewJob[] } & Order)
    | ({ op: 'jobOrder'; job: Account; channel: Account; action: number } & Order) // job: any account with its first data
    // Registry
    | { op: 'registerProvider'; stake: bigint; codeVersion: number; owner: Account; rules: string }
    | { op: 'askRules'; rules: string }
    | { op: 'announceNode'; owner: Account; excessTo: Account; number: number }
    | ({ op: 'announceSelf'; first: boolean; number: number; provider: Account } & Excess)
    | { op: 'announceDemand'; endsAt: number }
    | { op: 'topUpRegistry' }
    | { op: 'proposeChange'; change: RulesChange }
    | { op: 'executeChange' }
    | { op: 'cancelChange' }
    | { op: 'setPaused'; paused: boolean }
    | { op: 'setCatalogue' }
    | { op: 'proposeGovernor'; governor: Account }
    | { op: 'acceptGovernor' }
    // Provider
    | { op: 'join'; stake: bigint; codeVersion: number; payout: Account; operator?: Account; rules: string }
    | { op: 'adopt'; rules: string }
    | { op: 'addStake'; amount: bigint }
    | { op: 'unbond'; amount: bigint }
    | { op: 'cancelUnbonding'; slot: number }
    | { op: 'withdrawStake'; slot: number; amount: bigint }
    | { op: 'withdrawSurplus' }
    | { op: 'setOperator'; operator?: Account }
    | { op: 'setPayout'; payout: Account }
    | { op: 'registerNode'; code: number; listing: Listing; node: Account }
    | { op: 'changeNode'; number: number; codeVersion: number; change: Change; node: Account }
    | {
          op: 'replaceHardware';
          number: number;
          codeVersion: number;
          share: bigint;
          gpus: number;
          gpuClass: number;
          newGpus: number;
          node: Account;
      }
    | { op: 'closeNode'; number: number; codeVersion: number; node: Account }
    | { op: 'unjail' }
    | { op: 'rulesGiven'; rules: Rules }
    | ({
          op: 'shareFreed';
          share: bigint;
          gpus: number;
          number: number;
          codeVersion: number;
          closed: boolean;
          content: boolean;
      } & Excess)
    | {
          op: 'faultFound';
          number: number;
          codeVersion: number;
          frozen: bigint;
          fault: Fault;
          code: number;
          dispute: Account;
      }
    | ({
          op: 'caseClosed';
          guilty: boolean;
          duplicate: boolean;
          slash: bigint;
          fault: Fault;
          rules: CaseRules;
      } & Excess)
    | ({
          op: 'shareSlashed';
          number: number;
          codeVersion: number;
          frozen: bigint;
          amount: bigint;
          fault: Fault;
          rules: CaseRules;
      } & Excess)
    | ({ op: 'shareReleased'; number: number; codeVersion: number; frozen: bigint } & Excess)
    // Node
    | ({
          op: 'startNode';
          share: bigint;
          gpus: number;
          byOwner: boolean;
          codeVersion: number;
          evidence: number;
          owner: Account;
          registry: Account;
          listing: Listing;
      } & Excess)
    | ({
          op: 'applyChange';
          slashable: bigint;
          codeVersion: number;
          byOwner: boolean;
          evidence: number;
          change: Change;
      } & Excess)
    | ({
          op: 'applyHardware';
          raisedShare: bigint;
          raisedGpus: number;
          codeVersion: number;
          byOwner: boolean;
          oldShare: bigint;
          oldGpus: number;
          share: bigint;
          gpus: number;
          gpuClass: number;
          hold: number;
      } & Excess)
    | ({ op: 'stopNode'; byOwner: boolean; evidence: number; hold: number } & Excess)
    | { op: 'clearNode' }
    | {
          op: 'reportTwice';
          channel: Account;
          terms: Terms;
          first: Receipt;
          second: Receipt;
          code: number;
          dispute: Account;
      }
    | {
          op: 'reportExcess';
          channel: Account;
          terms: Terms;
          result: Receipt;
          comparison?: Receipt;
          code: number;
          dispute: Account;
      }
    | {
          op: 'demandAnswer';
          channel: Account;
          terms: Terms;
          accept: Receipt;
          firstPiece: number;
          code: number;
          dispute: Account;
      }
    | { op: 'reportWrong'; channel: Account; terms: Terms; result: Receipt; code: number; dispute: Account }
    | ({ op: 'slashShare'; codeVersion: number; slash: bigint; fault: Fault; rules: CaseRules } & Excess)
    | ({ op: 'releaseShare'; codeVersion: number; amount: bigint; keySerial: number } & Excess)
    // Dispute
    | { op: 'openCase'; fault: Fault; rules: CaseRules }
    | { op: 'postPiece'; result: Receipt; index: number; proven: boolean }
    | { op: 'postFail'; fail: Receipt }
    | { op: 'postVoucher'; result: Receipt; voucher: Voucher; channel: Account }
    | { op: 'stateCase' }
    | {
          op: 'submitVerdict';
          points: number;
          rulesVersion: number;
          validUntil: number;
          votes: readonly { member: number; signature: Signature }[];
      }
    | { op: 'decideCase' }
    | { op: 'clearCase' };

export type Op = Body['op'];
export type BodyOf<O extends Op> = Extract<Body, { op: O }>;
