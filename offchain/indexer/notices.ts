/** What one reading has to say, one sentence of a kind: an endpoint could do wrong with thousands of accounts. */
export class Notices {
    private readonly kinds = new Map<string, { example: string; count: number }>();

    constructor(private readonly onNotice: (sentence: string) => void = () => undefined) {}

    /** Notes a sentence; of each kind the first one is said. */
    add(kind: string, sentence: string): void {
        const { example, count } = this.kinds.get(kind) ?? { example: sentence, count: 0 };
        this.kinds.set(kind, { example, count: count + 1 });
    }

    /** Says what was noted, and forgets it. */
    say(): void {
        for (const { example, count } of this.kinds.values()) {
            this.onNotice(count === 1 ? example : `${example}; and so with ${count - 1} more accounts`);
        }
        this.kinds.clear();
    }
}
