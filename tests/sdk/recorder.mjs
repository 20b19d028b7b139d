/** Listens to what SDKs get from a gateway, and holds it against OpenAI's published API description. */

export class Recorder {
    #pending = [];
    #at;
    #judge;

    /** `at`: the base URLs whose answers count; replaces the global fetch, which all SDKs use. */
    constructor(at, judge) {
        this.#at = at;
        this.#judge = judge;
        const original = globalThis.fetch;
        globalThis.fetch = async (input, init) => {
            const response = await original(input, init);
            const url = String(input.url ?? input);
            if (this.#at.some((one) => url.startsWith(one))) {
                this.#pending.push(this.#judged(new URL(url).pathname, response.clone()));
            }
            return response;
        };
    }

    /** What was wrong with the answers since the last call. */
    async objections() {
        const found = await Promise.all(this.#pending.splice(0));
        return found.flat().slice(0, 5);
    }

    async #judged(path, response) {
        const shapes = this.#judge.publishedShapes[path];
        const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
        let text;
        try {
            text = await response.text();
        } catch {
            return []; // the SDK aborted it
        }
        if (path === '/v1/messages') return []; // of another API, whose description its SDK is
        if (!response.ok) return this.#against('ErrorResponse', path, text);
        if (!isStream) return this.#against(shapes?.whole ?? 'Model', path, text);
        const events = text
            .split('\n\n')
            .flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: ')));
        return events
            .map((line) => line.slice('data: '.length))
            .filter((data) => data !== '[DONE]')
            .flatMap((data) => this.#against(data.startsWith('{"error"') ? 'ErrorResponse' : shapes.event, path, data));
    }

    #against(schema, path, text) {
        return this.#judge
            .objectionsTo(schema, unpacked(JSON.parse(text)))
            .map((line) => `${path} is no ${schema}: ${line}`);
    }
}

// With encoding_format base64, OpenAI itself answers with texts, which its description does not know.
function unpacked(value) {
    if (!Array.isArray(value.data)) return value;
    const data = value.data.map((one) => (typeof one.embedding === 'string' ? { ...one, embedding: [0] } : one));
    return { ...value, data };
}
