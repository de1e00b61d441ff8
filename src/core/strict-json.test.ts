import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseStrictJson } from './strict-json.ts';

describe('strict JSON', () => {
  it('is read as JSON is', () => {
    fc.assert(
      fc.property(fc.json({ depthSize: 'medium' }), (text) => {
        assert.deepEqual(parseStrictJson(text, 100), JSON.parse(text));
      }),
    );
  });

  it('has no name twice in one object, however it is written', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      '{"x":[{"b":{"a":1,"c":[1,2,{}],"a":2}}]}',
      '{"":1,"":2}',
      '{"__proto__":1,"__proto__":2}',
      '{"a\\"":1,"b":"\\\\","a\\"":2}',
    ])
      assert.throws(() => parseStrictJson(text, 10), /a name twice/, text);
    for (const text of [
      '{"a":{"a":{"a":"a"}}}',
      '[{"a":1},{"a":1}]',
      '{"a":"b","b":"a,\\"a\\":","c":["a","a",",","{"]}',
      '{"a":[],"b":{},"A":[{"a":1}]}',
    ])
      assert.deepEqual(parseStrictJson(text, 10), JSON.parse(text));
  });

  it('is nested no deeper than said, whatever its strings hold', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    assert.ok(parseStrictJson(nested(8), 8));
    assert.throws(() => parseStrictJson(nested(9), 8), /too deeply/);
    assert.throws(() => parseStrictJson('{"a":{"a":[]}}', 2), /too deeply/);
    assert.equal(parseStrictJson(JSON.stringify(nested(50)), 1), nested(50));
    assert.throws(() => parseStrictJson('{"a":1', 8), SyntaxError);
  });
});
