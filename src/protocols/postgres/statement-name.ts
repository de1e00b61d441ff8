import { strictUtf8, WireError } from './wire.ts';

/**
 * Names of prepared statements and portals. PostgreSQL cuts them to 63 bytes in the encoding of the database, so that two names
 * that differ here may be one to the server. Names that might be cut are refused: what a name stands for is what gets recorded.
 */
const MAX_BYTES = 63;
/** A character outside ASCII takes at least half as many bytes here as in any encoding that a database may have. */
const MAX_BYTES_BEYOND_ASCII = 31;
/** A name in SQL text is cut before a character, which may leave up to three bytes less: such a name may have been longer. */
const MAX_BYTES_IN_SQL = 59;

/**
 * The name in a protocol message.
 *
 * @throws WireError when it is no UTF-8 or may be cut by the server
 */
export function protocolName(buffer: Buffer, start: number, end: number): string {
  if (start === end) return '';
  if (end - start > MAX_BYTES) throw new WireError('a name of over 63 bytes, which PostgreSQL would cut');
  const name = strictUtf8(buffer.subarray(start, end));
  if (name.length !== end - start && end - start > MAX_BYTES_BEYOND_ASCII) {
    throw new WireError('a name of over 31 bytes with characters beyond ASCII, which PostgreSQL may cut');
  }
  return name;
}

/** Whether a name that the parser read in a statement is surely the one that the server reads. */
export function isWholeName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes <= (bytes === name.length ? MAX_BYTES_IN_SQL : MAX_BYTES_BEYOND_ASCII);
}
