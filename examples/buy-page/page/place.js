/** Where the page runs: not inside another page, and in one tab of the browser. */

/** Why this page cannot be used where it is; undefined if it can. */
export const unfitPlace = () =>
    globalThis.top !== globalThis.self
        ? 'This page does not work inside another page, which could make you click on it.'
        : globalThis.isSecureContext !== true || navigator.locks === undefined
          ? 'This page needs HTTPS and a browser of today: without them keys are not safe here.'
          : undefined;

/** Resolves when this is the only tab of the page; `onWait` is called if another tab is. */
export async function onlyTab(name, onWait) {
    const take = (options) =>
        new Promise((resolve) => {
            void navigator.locks.request(`${name} tab`, options, (lock) => {
                resolve(lock !== null);
                return lock === null ? undefined : new Promise(() => undefined); // until the tab is closed
            });
        });
    if (!(await take({ ifAvailable: true }))) {
        onWait();
        await take({});
    }
}
