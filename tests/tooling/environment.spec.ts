/** Test files of one process of jest share a context, which must not keep what an earlier file loaded. */
it('jest keeps the state of the running file only', () => {
    const states = Object.getOwnPropertySymbols(globalThis).filter((symbol) => {
        return symbol.description === 'JEST_STATE_SYMBOL';
    });

    expect(states).toHaveLength(1);
});
