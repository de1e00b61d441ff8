import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readBind } from './bind.ts';
import { cstring, Front, int16, int32, message, WireError } from './wire.ts';

interface Value {
  readonly data: Uint8Array | null;
}

function bind(values: readonly Value[], formats: readonly number[]): Buffer {
  return message(
    Front.bind,
    cstring('p'),
    cstring('s'),
    int16(formats.length),
    ...formats.map(int16),
    int16(values.length),
    ...values.flatMap(({ data }) => (data === null ? [int32(-1)] : [int32(data.length), Buffer.from(data)])),
    int16(0),
  );
}

describe('readBind', () => {
  it('keeps NULL apart from empty, text apart from binary, and the types that are known', () => {
    const bytes = bind(
      [
        { data: null },
        { data: Buffer.from('') },
        { data: Buffer.from('né') },
        { data: Buffer.from([0xff, 0]) },
      ],
      [0, 0, 0, 1],
    );
    const { portal, statement, parameters } = readBind(bytes, 0, bytes.length, () => [0, 25, 0, 17]);
    assert.deepEqual([portal, statement], ['p', 's']);
    assert.deepEqual(JSON.parse(String(parameters)), [
      null,
      { text: '', type: 25 },
      { text: 'né' },
      { base64: '/wA=', type: 17 },
    ]);
  });

  it('keeps the bytes of text that is not UTF-8', () => {
    const bytes = bind([{ data: Buffer.from([0xc3, 0x28]) }], []);
    assert.deepEqual(JSON.parse(String(readBind(bytes, 0, bytes.length, () => []).parameters)), [
      { base64: 'wyg=' },
    ]);
  });

  it('loses no value, whatever the values and formats', () => {
    const value = fc.record({ data: fc.option(fc.uint8Array({ maxLength: 40 })) });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 20 }), fc.constantFrom([], [0], [1]), (values, formats) => {
        const bytes = bind(values, formats);
        const { parameters } = readBind(bytes, 0, bytes.length, () => []);
        const read =
          parameters === null
            ? []
            : (JSON.parse(String(parameters)) as ({ text?: string; base64?: string } | null)[]);
        assert.equal(read.length, values.length);
        read.forEach((each, i) => {
          const data = values[i]?.data ?? null;
          if (each === null) assert.equal(data, null);
          else
            assert.deepEqual(
              Buffer.from(each.text ?? each.base64 ?? '', each.text === undefined ? 'base64' : 'utf8'),
              Buffer.from(data ?? []),
            );
        });
      }),
    );
  });

  it('refuses lengths that do not add up, and never reads beyond the message', () => {
    const good = bind([{ data: Buffer.from('abc') }], [0]);
    for (let cut = 6; cut < good.length - 2; cut++) {
      assert.throws(() => readBind(good.subarray(0, cut), 0, cut, () => []), WireError);
    }
    const lying = Buffer.from(good);
    lying.writeInt32BE(0x7fffffff, good.length - 2 - 3 - 4);
    assert.throws(() => readBind(lying, 0, lying.length, () => []), WireError);
    lying.writeInt32BE(-2, good.length - 2 - 3 - 4);
    assert.throws(() => readBind(lying, 0, lying.length, () => []), WireError);
  });
});
