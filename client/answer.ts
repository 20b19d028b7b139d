/** An answer as a program reads it. */
import { ClientError } from './errors';
import type { Delta, Receipt } from './types';

/** An answer as it arrives: a loop over it asks and pays. It can be read once. */
export class StreamedAnswer implements AsyncIterable<Delta> {
    /** The verified receipt; undefined until the answer has ended. */
    receipt: Receipt | undefined;
    private wasRead = false;

    constructor(private readonly start: () => AsyncGenerator<Delta, Receipt>) {}

    async *[Symbol.asyncIterator](): AsyncGenerator<Delta, void> {
        if (this.wasRead) {
            throw new ClientError('bad_request', 'This answer was read already', 'Ask again.');
        }
        this.wasRead = true;
        this.receipt = yield* this.start();
    }

    /** The whole text of the first choice. */
    async text(): Promise<string> {
        let text = '';
        for await (const delta of this) {
            text += delta.choice === 0 ? delta.text : '';
        }
        return text;
    }
}
