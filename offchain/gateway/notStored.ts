/** An ending that the store did not take. Nobody else can book it, so the catcher stores it later. */
export class NotStored extends Error {
    constructor(
        /** Stores the ending; throws another one if the store does not take it again. */
        readonly store: () => Promise<void>,
        cause: unknown,
    ) {
        super('the store did not take the ending of a query', { cause });
        this.name = 'NotStored';
    }
}
