/** Seconds that the header Retry-After asks for; undefined if it does not. */
export function retryAfterOf(header: string | string[] | undefined): number | undefined {
    if (typeof header !== 'string' || header.trim() === '') {
        return undefined;
    }
    const seconds = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
    return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}
