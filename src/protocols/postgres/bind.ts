import { protocolName } from './statement-name.ts';
import { cstringEnd, WireError } from './wire.ts';

/** A Bind message taken apart as far as the record needs it. */
export interface Bind {
  readonly portal: string;
  readonly statement: string;
  /** Payload `parameters` (see `src/core/record.ts`), or null where there are no values. */
  readonly parameters: Buffer | null;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a Bind message.
 *
 * @param types type OIDs that the Parse message gave, 0 where it left them open
 * @throws WireError when lengths do not add up, or for a name that may not be the server's
 * @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BIND
 */
export function readBind(
  buffer: Buffer,
  start: number,
  end: number,
  typesOf: (statement: string) => readonly number[],
): Bind {
  const portalEnd = cstringEnd(buffer, start + 5, end);
  const statementEnd = cstringEnd(buffer, portalEnd + 1, end);
  const portal = protocolName(buffer, start + 5, portalEnd);
  const statement = protocolName(buffer, portalEnd + 1, statementEnd);
  let at = statementEnd + 1;
  const need = (bytes: number): void => {
    if (bytes < 0 || at + bytes > end) throw new WireError('a malformed Bind message');
  };
  need(2);
  const formatCount = buffer.readUInt16BE(at);
  const formatsAt = at + 2;
  at = formatsAt;
  need(formatCount * 2);
  at += formatCount * 2;
  need(2);
  const count = buffer.readUInt16BE(at);
  at += 2;
  if (count === 0) return { portal, statement, parameters: null };
  const types = typesOf(statement);
  let json = '[';
  for (let i = 0; i < count; i++) {
    need(4);
    const length = buffer.readInt32BE(at);
    at += 4;
    if (i > 0) json += ',';
    if (length === -1) {
      json += 'null';
      continue;
    }
    need(length);
    const format = formatCount === 0 ? 0 : buffer.readUInt16BE(formatsAt + (formatCount === 1 ? 0 : i * 2));
    json += value(buffer, at, at + length, format === 0, types[i] ?? 0);
    at += length;
  }
  return { portal, statement, parameters: Buffer.from(`${json}]`) };
}

function value(buffer: Buffer, start: number, end: number, isText: boolean, type: number): string {
  const tail = type === 0 ? '}' : `,"type":${type}}`;
  if (isText) {
    if (isPlain(buffer, start, end)) return `{"text":"${buffer.toString('latin1', start, end)}"${tail}`;
    try {
      return `{"text":${JSON.stringify(decoder.decode(buffer.subarray(start, end)))}${tail}`;
    } catch {
      // Not UTF-8: the server will refuse it; the record keeps the bytes.
    }
  }
  return `{"base64":"${buffer.toString('base64', start, end)}"${tail}`;
}

/** Longest value that is looked at byte by byte: beyond, a decoder is faster. */
const MAX_PLAIN = 64;

/** Whether the bytes are a short text that stands in JSON as it is: printable ASCII without quote and backslash. */
function isPlain(buffer: Buffer, start: number, end: number): boolean {
  if (end - start > MAX_PLAIN) return false;
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x5c) return false;
  }
  return true;
}
