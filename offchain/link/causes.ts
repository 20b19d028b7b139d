/**
 * The reasons why a query was not answered: where each comes from, whether another node may answer the query, and the
 * error of the app if none does. The worker signs the reason and the gateway acts on it; both read this table.
 */
import { Reason } from '@cocoon-market/wrappers';

export interface Cause {
    /** `request`: no node can answer it; `job`: this job's terms or money; `server`: this
     * node's model server does not take the request, another may; `node`: the node, or what runs its model. */
    origin: 'request' | 'job' | 'server' | 'node';
    status: number; // HTTP
    code: string;
    message: string; // for the app
    param?: string; // field of the request
}

/** The cause of every reason. A reason that is not here comes from the node, see {@link causeOf}. */
export const causes: Record<Reason, Cause> = {
    [Reason.StepTooSmall]: {
        origin: 'job',
        status: 400,
        code: 'prompt_too_dear',
        message:
            'The prompt costs more than half a step of this job: send less, or raise job.step in the configuration',
        param: 'messages',
    },
    [Reason.TooBusy]: node(503, 'node_busy', 'The node answers as many queries as it takes'),
    [Reason.Unfunded]: { ...node(503, 'node_refused', "The job's deposit does not cover the query"), origin: 'job' },
    [Reason.Leaving]: { ...node(503, 'node_refused', 'The job ends too soon'), origin: 'job' },
    [Reason.TooLarge]: {
        origin: 'job',
        status: 400,
        code: 'request_too_large',
        message: 'By the count of the node, the request alone costs more than it may: send less, or allow more tokens',
        param: 'messages',
    },
    [Reason.UnknownModel]: node(503, 'node_refused', "The node does not know the job's model"),
    [Reason.BadRequest]: node(503, 'node_refused', 'The node cannot read the request'),
    [Reason.BackendDown]: node(503, 'node_refused', "The node's model server is down or failed"),
    [Reason.BackendRefused]: {
        origin: 'server',
        status: 400,
        code: 'invalid_request',
        message: 'The model server refused the request as wrong: check its fields and the order of its messages',
    },
    [Reason.Stopped]: node(503, 'node_down', 'The node went down before it answered'),
    [Reason.ContextExceeded]: {
        origin: 'request',
        status: 400,
        code: 'context_length_exceeded',
        message: "The request with its answer is longer than the model's context: send less, or ask for fewer tokens",
        param: 'messages',
    },
    [Reason.BackendBusy]: node(429, 'node_busy', "The node's model server has too much to do"),
    [Reason.BackendDenied]: node(503, 'node_refused', "The node's model server refuses the node's own key or account"),
    [Reason.BackendModel]: node(503, 'node_refused', "The node's model server does not have the model"),
    [Reason.BackendSlow]: node(504, 'node_timeout', "The node's model server did not answer in time"),
    [Reason.Unsupported]: {
        origin: 'server',
        status: 400,
        code: 'unsupported_parameter',
        message: 'The nodes do not do all that the request asks for: see what they list with "cocoon gateway nodes"',
    },
};

function node(status: number, code: string, message: string): Cause {
    return { origin: 'node', status, code, message };
}

/** The cause of a reason in a receipt, of a later version too. */
export function causeOf(reason: number): Cause {
    const byNumber: Partial<Record<number, Cause>> = causes;
    return byNumber[reason] ?? node(503, 'node_refused', `The node did not answer (reason ${reason})`);
}

/** The longest time to wait, in seconds, that is passed on from a busy server. */
export const MAX_RETRY_AFTER = 3600;
