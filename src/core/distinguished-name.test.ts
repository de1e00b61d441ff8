import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinguishedName } from './distinguished-name.ts';

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
};
/** A name of one common name. */
const named = (value: string): string | null =>
  distinguishedName(
    der(0x31, der(0x30, der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(value)))),
  );

test('a space at an edge is escaped, whatever characters stand before it', () => {
  assert.equal(named('job'), 'CN=job');
  assert.equal(named(' job '), 'CN=\\ job\\ ');
  assert.equal(named('\u{1f512} '), 'CN=\u{1f512}\\ ');
  assert.equal(named('a b'), 'CN=a b');
});
