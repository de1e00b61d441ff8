import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CopyFormat } from './lineage.ts';
import type { CellMask } from './mask-cells.ts';
import { CopyMasker } from './mask-copy.ts';
import { Slab } from './mask-rows.ts';
import { Back, int16, int32, WireError } from './wire.ts';

const TEXT: CopyFormat = {
  format: 'text',
  delimiter: '\t',
  nullText: '\\N',
  quote: '"',
  escape: '"',
  header: false,
};
const CSV: CopyFormat = { ...TEXT, format: 'csv', delimiter: ',', nullText: '' };
const BINARY: CopyFormat = { ...TEXT, format: 'binary' };

type Values = readonly (string | null)[];

/** As PostgreSQL writes a row of the text format. */
function textLine(values: Values, { delimiter, nullText }: CopyFormat): string {
  const letters: Record<string, string> = {
    '\b': 'b',
    '\f': 'f',
    '\n': 'n',
    '\r': 'r',
    '\t': 't',
    '\v': 'v',
  };
  const field = (value: string): string =>
    [...value]
      .map((char) =>
        letters[char] !== undefined
          ? `\\${letters[char]}`
          : char === '\\' || char === delimiter
            ? `\\${char}`
            : char,
      )
      .join('');
  return `${values.map((value) => (value === null ? nullText : field(value))).join(delimiter)}\n`;
}

/** As PostgreSQL writes a row of CSV. */
function csvLine(values: Values, { delimiter, nullText, quote, escape: escaper }: CopyFormat): string {
  const field = (value: string): string => {
    const plain =
      value !== nullText && ![...value].some((char) => [delimiter, quote, '\n', '\r'].includes(char));
    if (plain) return value;
    return (
      quote +
      [...value].map((char) => (char === quote || char === escaper ? escaper + char : char)).join('') +
      quote
    );
  };
  return `${values.map((value) => (value === null ? nullText : field(value))).join(delimiter)}\n`;
}

function binaryRow(values: Values): Buffer {
  const fields = values.flatMap((value) =>
    value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)],
  );
  return Buffer.concat([int16(values.length), ...fields]);
}
const BINARY_START = Buffer.concat([Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1'), int32(0), int32(0)]);
const BINARY_END = int16(-1);

const swap: CellMask = {
  counts: new Map(),
  apply: (buffer, start, end) =>
    start === end ? null : `<${[...buffer.toString('utf8', start, end)].reverse().join('')}>`,
};
const swapped = (value: string | null): string | null =>
  value === null || value === '' ? null : `<${[...value].reverse().join('')}>`;
const CELLS = [null, swap, null];

/** Feeds `data` in pieces and gives the bodies of the messages that come out. */
function feed(format: CopyFormat, data: Buffer, cuts: readonly number[], limit = 1e6): Buffer[] {
  const slab = new Slab();
  const masker = new CopyMasker(format, CELLS, limit, slab);
  const out: Buffer[] = [];
  const each = (): void => {
    const sent = Buffer.from(slab.buffer.subarray(slab.start, slab.end));
    assert.equal(sent[0], Back.copyData);
    assert.equal(sent.readUInt32BE(1) + 1, sent.length);
    out.push(sent.subarray(5));
  };
  let at = 0;
  for (const cut of [...cuts, data.length]) {
    const to = Math.min(data.length, at + cut);
    masker.push(data, at, to, each);
    at = to;
  }
  masker.end();
  return out;
}

const value = fc.option(
  fc.string({
    unit: fc.constantFrom('a', 'ö', '\\', '"', "'", ',', ';', '\t', '\n', '\r', '\b', '\v', 'N', '.'),
  }),
  {
    nil: null,
  },
);
const rows = fc.array(fc.tuple(value, value, value), { maxLength: 12 });
const cuts = fc.array(fc.nat(30), { maxLength: 20 });

test('text: the masked column is masked, the others stay byte for byte, however the data are cut', () => {
  fc.assert(
    fc.property(rows, cuts, fc.constantFrom('\t', '|', ';'), (all, where, delimiter) => {
      const format = { ...TEXT, delimiter };
      const data = Buffer.from(all.map((row) => textLine(row, format)).join(''));
      const want = all.map(([a, b, c]) => textLine([a, swapped(b), c], format));
      assert.deepEqual(feed(format, data, where).map(String), want);
    }),
  );
});

test('CSV: the same, with any quote and escape, and line breaks in values', () => {
  const quoting = fc.constantFrom(
    CSV,
    { ...CSV, delimiter: ';', nullText: 'N' },
    { ...CSV, quote: "'", escape: '\\' },
    { ...CSV, quote: "'", escape: "'" },
  );
  fc.assert(
    fc.property(rows, cuts, quoting, (all, where, format) => {
      const data = Buffer.from(all.map((row) => csvLine(row, format)).join(''));
      const out = feed(format, data, where).map(String);
      assert.equal(out.length, all.length);
      for (const [i, [a, b, c]] of all.entries()) {
        const before = csvLine([a], format).slice(0, -1);
        const after = csvLine([c], format);
        const line = out[i] as string;
        assert.ok(
          line.startsWith(before + format.delimiter) && line.endsWith(format.delimiter + after),
          line,
        );
        const field = line.slice(before.length + 1, line.length - after.length - 1);
        const masked = swapped(b);
        // Always in quotes, so that it cannot be NULL.
        const { quote, escape: escaper, nullText } = format;
        const inside = [...(masked ?? '')].map((char) =>
          char === quote || char === escaper ? escaper + char : char,
        );
        assert.equal(field, masked === null ? nullText : `${quote}${inside.join('')}${quote}`);
      }
    }),
  );
});

test('binary: the same', () => {
  fc.assert(
    fc.property(rows, cuts, (all, where) => {
      const data = Buffer.concat([BINARY_START, ...all.map(binaryRow), BINARY_END]);
      const want = [BINARY_START, ...all.map(([a, b, c]) => binaryRow([a, swapped(b), c])), BINARY_END];
      assert.deepEqual(feed(BINARY, data, where), want);
    }),
  );
});

test('a header line goes on as it is', () => {
  assert.deepEqual(feed({ ...CSV, header: true }, Buffer.from('a,b,c\n1,2,3\n'), []).map(String), [
    'a,b,c\n',
    '1,"<2>",3\n',
  ]);
});

test('data that are not in the format are refused, not passed on', () => {
  const bad: readonly (readonly [CopyFormat, Buffer])[] = [
    [TEXT, Buffer.from('a\tb\n')],
    [TEXT, Buffer.from('a\tb\tc\td\n')],
    [TEXT, Buffer.from('a\tb\tc')],
    [CSV, Buffer.from('a,"b,c\n')],
    [BINARY, Buffer.from('PGCOPX\n\u00ff\r\n\0'.padEnd(19, '\0'), 'latin1')],
    [BINARY, Buffer.concat([BINARY_START, int16(2), int32(-1), int32(-1)])],
    [BINARY, Buffer.concat([BINARY_START, int16(3), int32(-2), int32(-1), int32(-1)])],
  ];
  for (const [format, data] of bad) {
    assert.throws(() => feed(format, data, []), WireError, data.toString('latin1'));
  }
});

test('a row that does not end is not held for ever', () => {
  for (const [format, data] of [
    [TEXT, Buffer.alloc(5000, 'a')],
    [CSV, Buffer.from(`"${'a\n'.repeat(3000)}`)],
    [BINARY, Buffer.concat([BINARY_START, int16(3), int32(2_000_000_000), Buffer.alloc(3000)])],
  ] as const) {
    assert.throws(() => feed(format, data, [1000, 1000], 2000), /too large to be masked/);
  }
});

test('any bytes are refused or rewritten, whatever they are', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(TEXT, CSV, BINARY),
      fc.uint8Array({ maxLength: 80 }),
      cuts,
      (format, bytes, where) => {
        try {
          feed(format, Buffer.from(bytes), where);
        } catch (error) {
          assert.ok(error instanceof WireError);
        }
      },
    ),
  );
});

test('a row that comes byte by byte costs what its bytes cost', () => {
  const size = 1 << 20;
  for (const [format, before, after] of [
    [TEXT, 'a\tb\t', '\n'],
    [CSV, 'a,b,"', '"\n'],
  ] as const) {
    const data = Buffer.from(`${before}${'x'.repeat(size)}${after}`);
    const [row] = feed(format, data, Array(data.length).fill(1), 2 * size);
    assert.ok(row?.equals(feed(format, data, [])[0] as Buffer));
  }
  const long = Buffer.concat([int32(size), Buffer.alloc(size, 'x')]);
  const data = Buffer.concat([BINARY_START, int16(3), int32(-1), int32(-1), long, BINARY_END]);
  assert.deepEqual(
    feed(BINARY, data, Array(data.length).fill(1), 2 * size),
    feed(BINARY, data, [], 2 * size),
  );
});
