/** What a program gives to a client and gets from it. */
import type { Actor, Finish, TokenCounts } from '@cocoon-market/wrappers';
import type { Address } from '@ton/core';

/** What opens contracts, such as a TonClient. */
export type ChainAccess = Pick<Actor, 'open'>;

/** The most that a client signs for, nanoTON. */
export interface ClientLimits {
    /** Of a job: its deposit, and so the sum of its vouchers. */
    job: bigint;
    /** Of one query. */
    query: bigint;
}

/** Tokens of a text by the tokenizer of a name, such as `qwen` or `o200k`; may count a few too many, never too few. */
export type TokenCounters = Readonly<Record<string, (text: string) => number>>;

/** The function of browsers and Node.js, or one like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Where a job is on its way. `broken`: its node broke the protocol, and nothing more is paid. */
export type ClientJobPhase = 'ordered' | 'failed' | 'open' | 'broken' | 'settling' | 'settled' | 'leaving' | 'ended';

/** An order of a job that the chain does not show yet. */
export interface PendingOrder {
    /** The account that the job gets. */
    address: Address;
    model: string;
    /** nanoTON. */
    deposit: bigint;
    /** Unix seconds. */
    orderedAt: number;
}

/** What the account of a job has. */
export interface JobAccount {
    /** nanoTON that were claimed. */
    paid: bigint;
    /** nanoTON. */
    balance: bigint;
    /** When the rest can be taken home, unix seconds. */
    refundAt: number;
}

/** One message of a conversation, as OpenAI's API has it. */
export interface Message {
    role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
    content?: string | object[] | null;
    [field: string]: unknown;
}

/** A question. Other fields of OpenAI's chat API, such as `temperature` and `tools`, travel as they are. */
export interface ChatQuestion {
    messages: readonly Message[];
    /** Most tokens of the answer, of each choice. */
    maxTokens: number;
    /** nanoTON that the answer may cost at most; default: the client's limit of a query. */
    maxPrice?: bigint;
    /** Cuts the answer; what was delivered is paid. */
    signal?: AbortSignal;
    [field: string]: unknown;
}

/** The next piece of an answer. */
export interface Delta {
    /** Text of the message; may be empty. */
    text: string;
    /** Text of the model's reasoning; may be empty. */
    reasoning: string;
    /** The index of the answer among several. */
    choice: number;
    /** All fields of the delta as the model's server sent them, such as `tool_calls`. */
    fields: Record<string, unknown>;
    /** What is said beside the delta, such as `logprobs`, or how a choice ended. */
    note: Record<string, unknown>;
    /** nanoTON of the answer so far, by the meter of the node. */
    cost: bigint;
}

/** What a query ended with, verified. */
export interface Receipt {
    /** Of the query in its job. */
    number: number;
    /** nanoTON. */
    price: bigint;
    tokens: TokenCounts;
    /** How the answer ended: see `Finish` of the wrappers. */
    finish: Finish;
    /** The node's signed result, as it came; evidence together with the job's terms. */
    result: Buffer;
    /** The node's signed accept, as it came. */
    accept: Buffer;
}

/** How a job stands after {@link Job.settle}. */
export interface Settlement {
    /** `ended`: all is home; `settled`: the provider is paid; `leaving`: the rest comes back after the notice. */
    phase: ClientJobPhase;
    /** nanoTON that the vouchers of the job pay. */
    spent: bigint;
    /** When the rest can be taken home by {@link Job.refund}, unix seconds; undefined if it is home. */
    refundAt: number | undefined;
    note: string;
}
