// Portkey 1.15.2 adds headers to the response of `fetch`. On Node.js 20 these headers are immutable, and every stream
// fails with HTTP 500. A response made here has headers of its own.
const { fetch: original, Response } = globalThis;

globalThis.fetch = async (...args) => {
    const response = await original(...args);
    return response.body === null ? response : new Response(response.body, response);
};
