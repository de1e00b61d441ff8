import { hash } from 'node:crypto';

/** Of what is named here and nowhere else. */
const NAMESPACE = Buffer.from('20c92eb24ac0484692515eb369f4f77a', 'hex');

/**
 * A UUID of version 5: the same name always gives the same one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.5
 */
export function uuid5(...name: readonly (string | number)[]): string {
  const bytes = hash('sha1', Buffer.concat([NAMESPACE, Buffer.from(JSON.stringify(name))]), 'buffer');
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
