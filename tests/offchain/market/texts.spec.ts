/** What the market page does with texts and amounts of strangers, without a market. */
import { visibleText, csvField } from '../../../offchain/marketPage/text';
import { html } from '../../../offchain/marketPage/html';
import { spanText, stranger, tonText } from '../../../offchain/marketPage/format';
import { axisEnd, stairs } from '../../../offchain/marketPage/plots';
import { readMeasured } from '../../../offchain/marketPage/measured';

it('a text in a page is text, also in an attribute', () => {
    expect(html`<b title="${'"><script>'}">${'<script>'}</b>`.text).toBe(
        '<b title="&quot;&gt;&lt;script&gt;">&lt;script&gt;</b>',
    );
});

it('marks of direction, control characters and fillers stand as their codes', () => {
    expect(visibleText('a\u202eb')).toBe('a[U+202E]b');
    expect(visibleText('\u0000\u200b\u2066\u3164\ud800')).toBe('[U+0000][U+200B][U+2066][U+3164][U+D800]');
    expect(visibleText('\u017c 模型 \u05d0')).toBe('\u017c 模型 \u05d0');
});

it('two marks over one letter are shown, and further ones are codes', () => {
    expect(visibleText('a\u0301\u0302')).toBe('a\u0301\u0302');
    expect(visibleText('a\u0301\u0302\u0303')).toBe('a\u0301\u0302[U+0303]');
});

it('a text of 60 characters is whole, one of 61 and one of 10 kB are shortened', () => {
    expect(visibleText('x'.repeat(60))).toBe('x'.repeat(60));
    expect(visibleText('x'.repeat(61))).toBe(`${'x'.repeat(60)}…`);
    expect(visibleText('\u202e'.repeat(10_000))).toBe(`${'[U+202E]'.repeat(7)}…`);
    expect(stranger('😀'.repeat(10_000)).text).toBe(`<bdi>${'😀'.repeat(60)}…</bdi>`);
});

it('no text becomes a formula in a spreadsheet, and no text ends its field', () => {
    for (const text of ['=1+1', '+1', '-1', '@a', '|a', ' =1', '＝1']) {
        expect(csvField(text)).toMatch(/^"'/);
    }
    expect(csvField('\t=1')).toBe('"[U+0009]=1"');
    expect(csvField('a"b\r\nc')).toBe('"a""b[U+000D][U+000A]c"');
    expect(csvField(-5n)).toBe('-5');
    expect(csvField(null)).toBe('');
});

it.each([
    [0n, '0'],
    [1n, '0.000000001'],
    [456_789n, '0.000456'],
    [999_999_999n, '0.999'],
    [1_000_000_000n, '1'],
    [3_456_000_000n, '3.45'],
    [1_000_456_000_000n, '1,000'],
    [2n ** 64n - 1n, '18,446,744,073'],
    [-3_456_000_000n, '-3.45'],
])('%s nanoTON are shown as %s TON', (nano, text) => {
    expect(tonText(nano)).toBe(text);
});

it.each([
    [0, '0 seconds'],
    [1, '1 second'],
    [119, '119 seconds'],
    [120, '2 minutes'],
    [7199, '119 minutes'],
    [7200, '2 hours'],
    [172_799, '47 hours'],
    [172_800, '2 days'],
])('a span of %s seconds is %s', (seconds, text) => {
    expect(spanText(seconds)).toBe(text);
});

it('an axis ends at a round number, and a line has a gap where nobody sells', () => {
    expect([0, 0.3, 1, 1.1, 2.4, 7].map(axisEnd)).toEqual([1, 0.5, 1, 2, 2.5, 10]);
    const steps = [
        { at: 0, value: 1 },
        { at: 0.25, value: null },
        { at: 0.5, value: 0.5 },
    ];
    const { text } = stairs([{ kind: 'prompt', steps }], { label: '', unit: String, names: ['', '', ''] });
    expect(text).toContain('d="M0 0H250M500 500H1000"');
});

it('what a gateway shares names its source, and what is no such data is refused', () => {
    const nodes = [{ worker: 'https://a.example/', firstTokenMs: 200, tokensPerSecond: null, secret: 1 }];
    const { source, byEndpoint } = readMeasured('g:1', JSON.stringify({ at: 5, models: [{ nodes }] }));
    expect(source).toBe('g:1');
    expect(byEndpoint.get('https://a.example')).toEqual({ firstTokenMs: 200, tokensPerSecond: null });
    for (const text of ['', '{}', '{"at":"x","models":[]}', '{"at":1,"models":[{"nodes":[{"worker":1}]}]}']) {
        expect(() => readMeasured('g', text)).toThrow();
    }
});
