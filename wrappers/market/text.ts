/** Texts that strangers wrote on chain, made harmless. */

const MAX_URL = 100; // bytes, as the contract has it
const MAX_TEXT = 64; // characters

/** An endpoint on chain as the URL of a worker; undefined if it is none that can be asked. */
export function workerUrl(endpoint: string): string | undefined {
    if (Buffer.byteLength(endpoint) > MAX_URL || !URL.canParse(endpoint)) {
        return undefined;
    }
    const { protocol, username, password, search, hash, href } = new URL(endpoint);
    const isPlain = username === '' && password === '' && search === '' && hash === '';
    return isPlain && /^https?:$/.test(protocol) ? href.replace(/\/+$/, '') : undefined;
}

/** A name in printable ASCII, with `?` for any other character: no control, no mark of direction, nothing endless. */
export function plainName(text: string): string {
    return text.slice(0, MAX_TEXT).replace(/[^\x20-\x7e]/g, '?');
}
