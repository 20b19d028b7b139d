/** The keys of the wrappers as browsers get them, with the other file for their platform. For tests in jest. */
import type * as keys from '../../wrappers/keys';

export function keysOfBrowsers(): typeof keys {
    let found: typeof keys | undefined;
    jest.isolateModules(() => {
        jest.doMock('../../wrappers/platform/node', () => jest.requireActual<object>('../../wrappers/platform/web'));
        found = jest.requireActual<typeof keys>('../../wrappers/keys');
        jest.unmock('../../wrappers/platform/node');
    });
    return found!;
}
