/** Turns an answer's bytes into text that may be sent: whole characters, and no part of a stop string. */
export class AnswerText {
    private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    private readonly stops: string[];
    private pending = '';
    private found = false;

    constructor(stops: string[] = []) {
        this.stops = stops.filter((stop) => stop !== ''); // an empty one would match before the first character
    }

    /** True once a stop string came; the text after it is dropped. */
    get stopped(): boolean {
        return this.found;
    }

    /** Adds the bytes of one token, and returns the text that may be sent now. */
    push(bytes: Uint8Array): string {
        this.pending += this.decoder.decode(bytes, { stream: true });
        const at = this.stops.map((stop) => this.pending.indexOf(stop)).filter((index) => index >= 0);
        if (at.length > 0) {
            this.found = true;
            return this.release(Math.min(...at), '');
        }
        // The end of the text that may still grow into a stop string is not sent yet.
        let keep = 0;
        for (const stop of this.stops) {
            for (let length = Math.min(stop.length - 1, this.pending.length); length > keep; length--) {
                if (this.pending.endsWith(stop.slice(0, length))) keep = length;
            }
        }
        const safe = this.pending.length - keep;
        return this.release(safe, this.pending.slice(safe));
    }

    /** Returns the rest at the end; bytes of an unfinished character become U+FFFD. */
    end(): string {
        if (this.found) return '';
        this.pending += this.decoder.decode();
        return this.release(this.pending.length, '');
    }

    private release(length: number, pending: string): string {
        const out = this.pending.slice(0, length);
        this.pending = pending;
        return out;
    }
}
