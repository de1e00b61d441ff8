/** What masks read: rows, COPY data and messages of a server, and the text of values. */
import assert from 'node:assert/strict';
import { DETECTORS } from '../../src/core/masks.ts';
import { CONTENT_MAX, maskContent } from '../../src/masking/content.ts';
import { findSecrets } from '../../src/masking/detectors.ts';
import { columnMask, KEY, ruleView, TRANSFORM_EXAMPLES } from '../../src/masking/plan.fixture.ts';
import { compileMasks } from '../../src/masking/rules.ts';
import type { CopyFormat } from '../../src/protocols/postgres/lineage.ts';
import {
  type CellMask,
  columnCell,
  contentCell,
  type Replacement,
} from '../../src/protocols/postgres/mask-cells.ts';
import { CopyMasker } from '../../src/protocols/postgres/mask-copy.ts';
import { maskMessage } from '../../src/protocols/postgres/mask-errors.ts';
import { RowMasker, readShape, Slab } from '../../src/protocols/postgres/mask-rows.ts';
import {
  Back,
  cstring,
  errorFields,
  int16,
  int32,
  message,
  WireError,
} from '../../src/protocols/postgres/wire.ts';
import { answers, type FuzzTarget } from './target.ts';

const MASKS = TRANSFORM_EXAMPLES.map((transform) => columnMask(transform));
const CONTENT = compileMasks(
  DETECTORS.map((detector, i) =>
    ruleView({ detectors: [detector] }, TRANSFORM_EXAMPLES[i % TRANSFORM_EXAMPLES.length]),
  ),
  KEY,
).content;

/** OIDs of types: int2, int4, int8, float8, numeric, text, bytea, date, timestamptz, uuid, json, jsonb, inet, _text and one of nobody. */
const TYPES = [21, 23, 20, 701, 1700, 25, 17, 1082, 1184, 2950, 114, 3802, 869, 1009, 99_999];
const VALUES = [
  ...['7', '-12.50', 'ada@bank.example', '2026-11-21', '2026-11-21 10:11:12+00', '10.1.2.3/8', 'null'],
  ...['d3adb33f-1111-4222-8333-444455556666', '{"a": "ada@bank.example"}', '{a,"b@c.example"}', '\\x00'],
  ...[int32(7), Buffer.alloc(8, 1), Buffer.alloc(16, 2), Buffer.from([0, 1, 0, 0, 0, 0, 0, 7])],
];

const describeRow = (types: readonly number[], binary: boolean): Buffer =>
  message(
    Back.rowDescription,
    int16(types.length),
    ...types.flatMap((type) => [
      cstring('c'),
      ...[int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(binary ? 1 : 0)],
    ]),
  );
const row = (...values: readonly (string | Buffer | null)[]): Buffer =>
  message(
    Back.dataRow,
    int16(values.length),
    ...values.flatMap((value) => {
      return value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)];
    }),
  );

/** Values of a row, as anybody else would read them; null for one that is no row. */
function valuesOf(bytes: Buffer): (Buffer | null)[] | null {
  const out: (Buffer | null)[] = [];
  let at = 7;
  for (let left = bytes.readUInt16BE(5); left > 0; left--) {
    if (at + 4 > bytes.length) return null;
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < -1 || at + length > bytes.length) return null;
    out.push(length === -1 ? null : bytes.subarray(at, at + length));
    at += Math.max(0, length);
  }
  return at === bytes.length ? out : null;
}

/** A masked value as it goes out, also one that is made later. */
function written(masked: NonNullable<Replacement>): Buffer {
  const slab = new Slab();
  slab.begin(0, 0);
  slab.value(masked);
  slab.settle();
  return Buffer.from(slab.buffer.subarray(slab.start + 5, slab.end));
}

function maskRow(rows: RowMasker, slab: Slab, cells: readonly (CellMask | null)[], bytes: Buffer): void {
  const before = valuesOf(bytes);
  const changed = answers(() => rows.row(bytes, 0, bytes.length), WireError);
  assert.equal(changed === null, before === null || before.length !== cells.length);
  if (changed === null || before === null) return;
  slab.settle();
  const out = changed ? Buffer.from(slab.buffer.subarray(slab.start, slab.end)) : bytes;
  assert.equal(out.readUInt32BE(1) + 1, out.length);
  const after = valuesOf(out);
  assert.equal(after?.length, before.length);
  for (const [i, value] of before.entries()) {
    const masked = value === null ? undefined : cells[i]?.apply(value, 0, value.length);
    assert.deepEqual(after?.[i], masked === undefined ? value : masked === null ? null : written(masked));
  }
}

const FORMATS: readonly CopyFormat[] = (
  [
    ['text', '\t', '\\N', '"', '"', false],
    ['text', '|', '', '"', '"', true],
    ['csv', ',', '', '"', '"', false],
    ['csv', ';', 'N', "'", '\\', true],
    ['binary', '\t', '\\N', '"', '"', false],
  ] as const
).map(([format, delimiter, nullText, quote, escaper, header]) => ({
  ...{ format, delimiter, nullText, quote, escape: escaper, header },
}));
const BINARY_START = Buffer.concat([Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1'), int32(0), int32(0)]);
const NOTHING = Buffer.from('M');
/** Shows nothing but that there was a value. */
const CELLS: readonly (CellMask | null)[] = [null, { counts: new Map(), apply: () => NOTHING }, null];
/** A small limit, so that rows over it are tried as well. */
const MOST_ROW = 512;

/** What comes out when the data come in pieces that end at `cuts`: rows, or how it ended. */
function copied(format: CopyFormat, data: Buffer, cuts: readonly number[]): (Buffer | string)[] {
  const slab = new Slab();
  const masker = new CopyMasker(format, CELLS, MOST_ROW, slab);
  const out: (Buffer | string)[] = [];
  let from = 0;
  try {
    for (const cut of [...cuts, data.length]) {
      masker.push(data, from, cut, () => {
        out.push(Buffer.from(slab.buffer.subarray(slab.start + 5, slab.end)));
      });
      from = cut;
    }
    masker.end();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    // How much of a row may be there before it is too large depends on the pieces.
    if (!error.message.includes('too large')) out.push(error.message);
    else out.push('too large');
  }
  return out;
}

/** The fields of a line as a simple reader finds them, who knows of quotes and escapes. */
function fieldsOf(line: string, { format, delimiter, quote, escape: escaper }: CopyFormat): string[] {
  const fields = [''];
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string;
    const escapes = format === 'text' ? char === '\\' : quoted && char === escaper && escaper !== quote;
    if (!quoted && !escapes && char === delimiter) {
      fields.push('');
      continue;
    }
    if (format === 'csv' && char === quote && !escapes) quoted = !quoted;
    fields[fields.length - 1] += escapes ? char + (line[++at] ?? '') : char;
  }
  return fields;
}

export const MASK_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'masked-rows',
    covers: ['postgres/mask-', 'src/masking/'],
    seeds: [false, true].flatMap((binary) =>
      TYPES.map((type) =>
        Buffer.concat([
          describeRow([25, type, type, type], binary),
          ...VALUES.map((value) => row('x', value, null, value)),
        ]),
      ),
    ),
    words: [...TYPES.map(int32), ...VALUES, int32(-1), int32(0), row('x', null)],
    run(input) {
      const slab = new Slab();
      let rows: RowMasker | null = null;
      let cells: (CellMask | null)[] = [];
      for (let at = 0; at + 5 <= input.length; ) {
        const end = Math.min(input.length, at + Math.max(5, input.readUInt32BE(at + 1) + 1));
        const bytes = Buffer.from(input.subarray(at, end));
        if (bytes[0] === Back.rowDescription) {
          const shape = answers(() => readShape(bytes, 0, bytes.length), WireError) ?? [];
          cells = shape.map(({ type, binary }, i) => {
            const mask = MASKS[(type + i) % MASKS.length] ?? null;
            if (i % 3 === 0 || mask === null) return null;
            return i % 3 === 1
              ? columnCell({ column: 's.t.c', mask, shaped: false }, type, binary)
              : contentCell('s.t.c', CONTENT, type, binary);
          });
          rows = new RowMasker(cells, slab);
        } else if (bytes[0] === Back.dataRow && rows !== null && bytes.length >= 7) {
          // What is shorter than it says the reader of frames does not hand on.
          if (bytes.readUInt32BE(1) + 1 !== bytes.length) break;
          maskRow(rows, slab, cells, bytes);
        }
        at = end;
      }
    },
  },
  {
    name: 'masked-copy',
    covers: ['postgres/mask-copy.ts'],
    seeds: [
      '\0a\tsecret\tb\n\\N\t\\N\t\\N\nx\\ty\ta\\\\b\t\\n\n',
      '\u0001h|h|h\na|secret|b\n\\||\\||\\\\\n',
      '\u0002a,secret,b\n"a,b","se""cret",\n,"x\ny",\n,,\n',
      "\u0003h;h;h\n'a;\\'';'se\\'cret';'\n'\nN;N;N\n",
      Buffer.concat([
        Buffer.from([4]),
        BINARY_START,
        ...[int16(3), int32(1), Buffer.from('a'), int32(6), Buffer.from('secret'), int32(-1), int16(-1)],
      ]),
    ],
    words: ['\\', '\n', '\r', '\t', ',', ';', '|', '"', "'", '\\N', '\\.', BINARY_START, int16(3), int32(-1)],
    run(input) {
      const format = FORMATS[(input[0] ?? 0) % FORMATS.length] as CopyFormat;
      const data = Buffer.from(input.subarray(1));
      const whole = copied(format, data, []);
      const every = Array.from({ length: Math.min(data.length, 600) }, (_, i) => i);
      for (const cuts of [every, [data.length >> 1]]) {
        const other = copied(format, data, cuts);
        // With less at once a row may be found too large before one behind it is found malformed.
        if (other.at(-1) !== 'too large') assert.deepEqual(other, whole);
      }
      const rows = whole.filter((each) => typeof each !== 'string');
      if (format.format === 'binary') {
        for (const bytes of rows.slice(1)) {
          if (bytes.length === 2) continue;
          const values = valuesOf(Buffer.concat([Buffer.alloc(5), bytes]));
          assert.equal(values?.length, 3);
          assert.ok(values?.[1] === null || values?.[1]?.equals(NOTHING), bytes.toString('latin1'));
        }
        return;
      }
      for (const bytes of rows.slice(format.header ? 1 : 0)) {
        const line = bytes.toString('latin1');
        assert.ok(line.endsWith('\n'));
        const fields = fieldsOf(line.slice(0, -1), format);
        assert.equal(fields.length, 3, line);
        const masked = format.format === 'csv' ? `${format.quote}M${format.quote}` : 'M';
        assert.ok(fields[1] === masked || fields[1] === format.nullText, line);
      }
    },
  },
  {
    name: 'masked-messages',
    covers: ['postgres/mask-errors.ts', 'postgres/wire.ts'],
    seeds: [
      ...['42703', '22P02', '23505', 'P0001'].map((code) =>
        message(
          Back.errorResponse,
          ...[
            'SERROR',
            'VERROR',
            `C${code}`,
            'Mno ada@bank.example',
            'Dsecret',
            'Hhint',
            'Wcontext',
            'qsql',
          ].map(cstring),
          Buffer.alloc(1),
        ),
      ),
      message(Back.noticeResponse, ...['SNOTICE', 'C00000', 'Msecret', 'Rexec_stmt_raise', ''].map(cstring)),
    ],
    words: ['M', 'D', 'H', 'W', 'q', 'C42501\0', 'C22P02\0', '\0', '\0\0', 'Rexec_stmt_raise\0', int32(-1)],
    run(input) {
      const bytes = Buffer.from(input);
      const fields = answers(() => errorFields(bytes, 0, bytes.length), WireError);
      for (const sensitive of [true, false]) {
        for (const content of [CONTENT, []]) {
          const masked = answers(() => maskMessage(bytes, 0, bytes.length, sensitive, content), WireError);
          if (fields === null) assert.equal(masked, null);
          if (fields === null || (masked === null && !sensitive)) continue;
          const after = masked === null ? fields : errorFields(masked, 0, masked.length);
          if (masked !== null) {
            assert.equal(masked.readUInt32BE(1) + 1, masked.length);
            assert.equal(masked[0], bytes[0]);
          }
          assert.equal(after.get('C'), fields.get('C'));
          // A detail, a context and an inner query are what values stand in.
          if (sensitive) for (const code of ['D', 'W', 'q']) assert.ok(!after.has(code));
        }
      }
    },
  },
  {
    name: 'detectors',
    covers: ['src/masking/'],
    seeds: [
      'write to ada@bank.example or call +49 30 1234567, pay 4111 1111 1111 1111 and DE89 3704 0044 0532 0130 00',
      '123-45-6789, 912-70-1234, AB 12 34 56 C, 86 095 742 719',
      `AKIA${'IOSFODNN7EXAMPLE'} ghp_${'a1B2'.repeat(9)} sk_live_${'a1B2'.repeat(5)} https://u:p@h eyJhbGciOiJub25lIn0.e30.c2ln`,
      '-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- 0123456789abcdef0123456789abcdeF/+aZ9',
      '{"a": "ada@bank.example", "n": 4111111111111111, "q\\"": ["\\u0040", 1e5]}',
    ],
    words: [
      ...['@', '"', '\\', '.', '-', ' ', '+', '(', '00', '0', '1', '://', ':', '/', 'eyJ', 'ghp_', 'AKIA'],
      ...['-----BEGIN ', 'PRIVATE KEY-----', '-----END ', 'DE89', '\u00a0', '\u00df', '\ud83d\ude00'],
    ],
    run(input) {
      const text = input.toString('utf8');
      for (const { start, end } of findSecrets(text, DETECTORS)) {
        assert.ok(0 <= start && start < end && end <= text.length);
      }
      for (const type of ['text', 'json', '_text']) {
        const found = maskContent(CONTENT, type, text);
        assert.ok(found === null || found.masks.length > 0);
      }
      // What is not linear takes so long in a text of full length that the fuzzer calls it stuck.
      const long = text.repeat(Math.ceil(CONTENT_MAX / Math.max(1, text.length))).slice(0, CONTENT_MAX);
      if (input.length % 8 === 0) for (const type of ['text', 'json']) maskContent(CONTENT, type, long);
    },
  },
];
