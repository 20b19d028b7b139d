import type { Attack } from './attacks';

/** Attacks on the gateway's API and backends; part of the list in attacks.ts. */
export const apiAttacks: Attack[] = [
    {
        source: 'issue 6: counts that a server leaves out or says twice',
        attack: 'A model server counts reasoning within the completion and not apart; it is billed once more beside it.',
        stoppedBy: 'Answer and reasoning are never more in sum than the server reports; the text splits them.',
        file: 'tests/offchain/worker/usage.spec.ts',
        test: 'what is billed of the usage of vLLM 0.6: no details',
    },
    {
        source: 'issue 6: counts that a server leaves out or says twice',
        attack: 'A model server reports 0 tokens for a prompt that it had cached, and the prompt is free.',
        stoppedBy: 'A prompt of 0 tokens is none that was counted: its bytes count.',
        file: 'tests/offchain/worker/usage.spec.ts',
        test: 'what is billed of the usage of Ollama 0.2: a cached prompt counts 0',
    },
    {
        source: 'issue 6: counts that a server leaves out or says twice',
        attack: 'A model server sends more pieces than it counts tokens, and each piece is billed as a token.',
        stoppedBy: 'The report of the whole wins over the count of pieces.',
        file: 'tests/offchain/worker/usage.spec.ts',
        test: 'what is billed of the usage of a server that sends more pieces than it counts tokens',
    },
    {
        source: 'issue 6: whose fault a status is',
        attack: 'A model server that is busy answers 429, and the request is called wrong for good.',
        stoppedBy: 'Only 400, 413 and 422 with a body that says so are the fault of the request.',
        file: 'tests/offchain/worker/fault.spec.ts',
        test: 'whose fault the worker says it is when its model server answers 429',
    },
    {
        source: 'issue 6: whose fault a status is',
        attack: "A proxy before the model server answers 400 with a page of its own, and the client's request is blamed.",
        stoppedBy: 'A body that does not name the request as wrong blames nobody but the node.',
        file: 'tests/offchain/worker/fault.spec.ts',
        test: 'whose fault the worker says it is when its model server answers 400 with a page of a proxy',
    },
    {
        source: 'issue 6: whose fault a status is',
        attack: 'A node whose model server is busy takes a query and fails it; a healthy node beside it is not asked.',
        stoppedBy: 'What is not the fault of the request goes to another node before the first byte.',
        file: 'tests/offchain/gateway/fault.spec.ts',
        test: 'A node that does not answer for BackendBusy after its accept, is asked no more: another answers',
    },
    {
        source: 'issue 6: fields that vanish',
        attack: 'An app asks for less reasoning; the field is dropped, and 200 says that it was heeded.',
        stoppedBy: 'A field that is not passed on is refused by its name.',
        file: 'tests/offchain/gateway/fields.spec.ts',
        test: 'Fields of a chat completion reasoning_effort is refused by its name',
    },
    {
        source: 'issue 6: fields that vanish',
        attack: 'A field within a part of a message is dropped in silence.',
        stoppedBy: 'Fields within messages, their parts and options are refused by name too.',
        file: 'tests/offchain/gateway/fields.spec.ts',
        test: 'Fields of a chat completion a message with a part of the content with a mark is refused by the name of the field',
    },
    {
        source: 'issue 6: fields that vanish',
        attack: 'A model server ends an answer with an error, and it is sold as whole.',
        stoppedBy: 'Only the reasons of a whole answer make one; any other cuts it.',
        file: 'tests/offchain/worker/finish.spec.ts',
        test: 'an answer of a model server that finishes with error is cut by the backend, and what arrived is billed by the meter',
    },
    {
        source: 'issue 6: fields that vanish',
        attack: 'A model server sends an emoji in two halves, and each becomes a mark of a lost character.',
        stoppedBy: 'The worker joins halves before it seals them.',
        file: 'tests/offchain/worker/finish.spec.ts',
        test: 'an answer of a model server with an emoji split over two pieces arrives whole',
    },
];
