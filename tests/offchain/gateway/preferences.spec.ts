import { Address } from '@ton/core';
import { inOrder, readPreferences, type RoutedNode, unwanted } from '../../../offchain/gateway/preferences';

const raw = (byte: number) => new Address(0, Buffer.alloc(32, byte)).toRawString();
const node: RoutedNode = {
    ...{ url: 'http://one.example', node: raw(1), provider: raw(2), tier: 'open' },
    rates: { prompt: 100n, cached: 10n, completion: 400n, reasoning: 400n },
};
const wanted = (provider: object) => unwanted(readPreferences(provider), node) === undefined;

describe('The provider object of a request', () => {
    it.each([
        ['an unknown field', { zdr: true }, 'provider.zdr', 'unsupported_parameter'],
        ['a price that is none', { max_price: { prompt: -1 } }, 'provider.max_price.prompt', 'invalid_request'],
        ['an unknown kind of price', { max_price: { image: 1 } }, 'provider.max_price.image', 'unsupported_parameter'],
        ['another order', { sort: 'name' }, 'provider.sort', 'invalid_request'],
        ['no list', { only: 'one' }, 'provider.only', 'invalid_request'],
        ['a long list', { ignore: Array(65).fill('x') }, 'provider.ignore', 'invalid_request'],
        ['no truth', { allow_fallbacks: 'yes' }, 'provider.allow_fallbacks', 'invalid_request'],
        ['another word for data', { data_collection: 'no' }, 'provider.data_collection', 'invalid_request'],
        ['no object', 'cheap', 'provider', 'invalid_request'],
    ])('with %s is refused by the name of the field', (_, value, param, code) => {
        expect(() => readPreferences(value)).toThrow(`"${param}"`);
        expect(() => readPreferences(value)).toThrow(expect.objectContaining({ status: 400, param, code }) as Error);
    });

    it.each([
        ['nothing', {}, true],
        ['nulls', { order: null, only: null, max_price: { prompt: null }, sort: null }, true],
        ['only its URL', { only: ['http://one.example/'] }, true],
        ['only its node, in another form', { only: [Address.parse(raw(1)).toString()] }, true],
        ['only its provider', { only: [raw(2)] }, true],
        ['only another', { only: [raw(3)] }, false],
        ['only nobody', { only: [] }, false],
        ['to ignore it', { ignore: [raw(2)] }, false],
        ['another first', { order: [raw(3)] }, true],
        ['another first and nobody else', { order: [raw(3)], allow_fallbacks: false }, false],
        ['its price at most', { max_price: { prompt: 100, completion: '400' } }, true],
        ['less than its price', { max_price: { prompt: 99 } }, false],
        ['that nobody reads', { data_collection: 'deny' }, false],
        ['nothing of data', { data_collection: 'allow', require_parameters: true }, true],
    ])('that asks for %s decides so', (_, provider, expected) => {
        expect(wanted(provider)).toBe(expected);
    });

    it('deny takes an attested node', () => {
        expect(unwanted(readPreferences({ data_collection: 'deny' }), { ...node, tier: 'tdx' })).toBeUndefined();
    });

    it('an order is tried name by name, and then anybody unless fallbacks are off', () => {
        const steps = (provider: object) => inOrder(readPreferences(provider)).map(({ order }) => order);

        expect(steps({ order: ['a', 'b'] })).toEqual([['a'], ['b'], []]);
        expect(steps({ order: ['a', 'b'], allow_fallbacks: false })).toEqual([['a'], ['b']]);
    });
});
