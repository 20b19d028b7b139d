/** Pages of transactions that nobody can read, each older than the one before: a list without an end. */
export function endlessPages(): () => never[] {
    let lt = 10n ** 15n;
    const row = () => ({
        ...{ '@type': 'raw.transaction', utime: Math.floor(Date.now() / 1000), data: '', out_msgs: [] },
        ...{ fee: '0', storage_fee: '0', other_fee: '0' },
        transaction_id: { lt: String(lt--), hash: Buffer.alloc(32).toString('base64') },
    });
    return () => [row(), row()] as never[];
}
