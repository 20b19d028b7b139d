/** Finds Chromium, as the tests of the gateway's page do. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The path of a Chromium that may be run; undefined if there is none. */
export function findChromium({ CHROMIUM, PATH = '' } = process.env) {
    const places = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
    return (CHROMIUM ? [CHROMIUM] : places).find((path) => {
        try {
            accessSync(path, constants.X_OK);
            return true;
        } catch {
            return false;
        }
    });
}
