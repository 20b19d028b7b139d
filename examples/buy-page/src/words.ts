/** What went wrong, for the person in front of the page: never a stack, never a text of a stranger as markup. */
import { ClientError } from '@cocoon-market/client';
import { formatTon, RefusedMessage } from '@cocoon-market/wrappers';
import { MarketError } from '@cocoon-market/wrappers/market';

const MAX_WORDS = 400; // characters

/** Tells in one or two sentences what happened, and what to do. */
export function wordsOf(error: unknown): string {
    const text = sentenceOf(error).replace(/(\d+) nanoTON/g, (_, amount: string) => `${formatTon(BigInt(amount))} TON`);
    return text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)}…` : text;
}

function sentenceOf(error: unknown): string {
    if (error instanceof ClientError) {
        return `${withStop(error.message.replace(' (TypeError)', ''))} ${remedyOf(error)}`; // fetch says no more
    }
    if (error instanceof RefusedMessage) {
        return `The contract refused it (${error.code}). ${error.remedy} Your money came back to your wallet, less fees.`;
    }
    if (error instanceof MarketError) {
        return error.message;
    }
    if (isUnreachable(error)) {
        return 'The chain does not answer. Nothing is lost: look at your connection, and try again.';
    }
    return withStop(error instanceof Error ? error.message : 'Something failed that this page does not know');
}

const REMEDIES: Partial<Record<ClientError['code'], string>> = {
    over_limit: 'Ask for less, or raise the limits with your wallet.',
    low_funds: 'Ask for a shorter answer, or settle this job and open a new one.',
    not_set_up: 'Set this page up with your wallet first.',
    order_pending: 'This page goes on looking for it.',
    worker_down: 'Try again. If it stays away, leave the job: the rest comes home after the notice.',
    broken_off: 'Its signed ending is fetched with the next question, or when you settle.',
    breach: 'Nothing more is paid to this worker. Leave the job: the rest comes home after the notice.',
    store_in_use: 'This job was used elsewhere. Settle it, and use one browser for each job.',
    clock: "Set this computer's clock.",
    bad_request: 'Change the question.',
};

const remedyOf = ({ code, remedy }: ClientError): string => REMEDIES[code] ?? remedy;

const withStop = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** True for errors of axios and fetch that got no answer, or none of the chain's. */
export function isUnreachable(error: unknown): boolean {
    const { isAxiosError, name, message } = (error ?? {}) as {
        isAxiosError?: boolean;
        name?: string;
        message?: string;
    };
    return isAxiosError === true || (name === 'TypeError' && /fetch|network/i.test(message ?? ''));
}

const MAX_NAME = 80; // characters

/** The name of a model, which may be a stranger's: no mark of direction may turn the amounts beside it around. */
export const shortName = (name: string): string =>
    /^[0-9a-f]{64}$/.test(name) ? `model ${name.slice(0, 12)}…` : name.slice(0, MAX_NAME).replace(/[^\x20-\x7e]/g, '?');
