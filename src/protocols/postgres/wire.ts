/**
 * Messages of the PostgreSQL frontend/backend protocol 3: reading frames in place and building the few
 * messages that Postern itself says. Pure; no I/O.
 *
 * @see https://www.postgresql.org/docs/18/protocol-message-formats.html
 */

/** Message types that a client sends, as their first byte. */
export const Front = {
  bind: 0x42, // B
  close: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyFail: 0x66, // f
  describe: 0x44, // D
  execute: 0x45, // E
  flush: 0x48, // H
  functionCall: 0x46, // F
  parse: 0x50, // P
  password: 0x70, // p
  query: 0x51, // Q
  sync: 0x53, // S
  terminate: 0x58, // X
} as const;

/** Message types that a server sends. */
export const Back = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyBothResponse: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQueryResponse: 0x49, // I
  errorResponse: 0x45, // E
  negotiateProtocolVersion: 0x76, // v
  noData: 0x6e, // n
  noticeResponse: 0x4e, // N
  notificationResponse: 0x41, // A
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  parseComplete: 0x31, // 1
  portalSuspended: 0x73, // s
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

export const PROTOCOL_3_0 = 196608;
export const SSL_REQUEST = 80877103;
export const GSSENC_REQUEST = 80877104;
export const CANCEL_REQUEST = 80877102;

/** Bytes that are not valid in the protocol; the connection cannot go on. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** How the reader treats a message type: the largest size in bytes, and what to do beyond what has arrived. */
export interface FrameRules {
  /** Largest total size; 0 for a type that is not known. */
  limit(type: number): number;
  /** Types that need not be held whole. */
  streams(type: number): boolean;
  /** Types whose oversized messages are reported (`oversize`) and skipped instead of ending the connection. */
  skips(type: number): boolean;
}

/**
 * Cuts a byte stream into messages without copying: a message that lies whole in a received buffer is a view
 * of it; one that must be held whole and is not is gathered in a buffer of its size, once its length has been
 * checked; one that streams is given in fragments.
 *
 * `push` a buffer, then call `next` until it returns false; after each true, the fields describe the frame.
 */
export class FrameReader {
  type = 0;
  buffer: Buffer = EMPTY;
  /** The frame (or fragment) is `buffer[start, end)`, header included. */
  start = 0;
  end = 0;
  /** False for the second and later fragments of a message. */
  first = true;
  /** True when this is all of the message, or its last fragment. */
  last = true;
  /** The message was larger than its limit: nothing of its body is given. */
  oversize = false;

  readonly #rules: FrameRules;
  #input: Buffer = EMPTY;
  #at = 0;
  #gather: Buffer | null = null;
  #gathered = 0;
  #streaming = 0;
  #skipping = 0;

  constructor(rules: FrameRules) {
    this.#rules = rules;
  }

  push(chunk: Buffer): void {
    if (this.#gather !== null) {
      const n = Math.min(this.#gather.length - this.#gathered, chunk.length);
      chunk.copy(this.#gather, this.#gathered, 0, n);
      this.#gathered += n;
      this.#append(n === chunk.length ? EMPTY : chunk.subarray(n));
      return;
    }
    this.#append(chunk);
  }

  #append(chunk: Buffer): void {
    if (this.#at === this.#input.length) {
      this.#input = chunk;
      this.#at = 0;
    } else if (chunk.length > 0) {
      this.#input = Buffer.concat([this.#input.subarray(this.#at), chunk]);
      this.#at = 0;
    }
  }

  /** Whatever has been pushed and not been given out, for a reader with other rules. */
  rest(): Buffer {
    return this.#input.subarray(this.#at);
  }

  /** Whether the stream stands between two messages (nothing of an unfinished one has been given out). */
  get atBoundary(): boolean {
    return this.#streaming === 0;
  }

  next(): boolean {
    this.oversize = false;
    if (this.#gather !== null) {
      if (this.#gathered < this.#gather.length) return false;
      const whole = this.#gather;
      this.#gather = null;
      this.#give(whole, 0, whole.length, true, true);
      return true;
    }
    const available = this.#input.length - this.#at;
    if (this.#skipping > 0) {
      const n = Math.min(this.#skipping, available);
      this.#skipping -= n;
      this.#at += n;
      return this.#skipping === 0 && this.next();
    }
    if (this.#streaming > 0) {
      if (available === 0) return false;
      const n = Math.min(this.#streaming, available);
      this.#streaming -= n;
      this.#give(this.#input, this.#at, this.#at + n, false, this.#streaming === 0);
      this.#at += n;
      return true;
    }
    if (available < 5) return false;
    const type = this.#input[this.#at] as number;
    const length = this.#input.readUInt32BE(this.#at + 1);
    const limit = this.#rules.limit(type);
    if (limit === 0) throw new WireError(`message type ${printable(type)} is not known`);
    if (length < 4) throw new WireError(`message ${printable(type)} claims a length of ${length}`);
    const total = length + 1;
    this.type = type;
    if (total > limit) {
      if (!this.#rules.skips(type)) {
        throw new WireError(`message ${printable(type)} of ${total} bytes is over the limit of ${limit}`);
      }
      this.#skipping = total;
      this.oversize = true;
      this.#give(EMPTY, 0, 0, true, true);
      return true;
    }
    if (total <= available) {
      this.#give(this.#input, this.#at, this.#at + total, true, true);
      this.#at += total;
      return true;
    }
    if (this.#rules.streams(type)) {
      this.#streaming = total - available;
      this.#give(this.#input, this.#at, this.#input.length, true, false);
      this.#at = this.#input.length;
      return true;
    }
    this.#gather = Buffer.allocUnsafeSlow(total);
    this.#gathered = this.#input.copy(this.#gather, 0, this.#at);
    this.#at = this.#input.length;
    return false;
  }

  /**
   * Takes the messages of the same type along that lie whole behind this one, which must be whole too: they are one frame then, up to `end`.
   *
   * @returns how many were taken along
   */
  extend(): number {
    const input = this.#input;
    if (this.buffer !== input || !this.first || !this.last) return 0;
    const { type } = this;
    const limit = this.#rules.limit(type);
    let at = this.#at;
    let messages = 0;
    while (input.length - at >= 5 && input[at] === type) {
      const total = input.readUInt32BE(at + 1) + 1;
      // What is malformed or too long is left to `next`, as is what has not come whole.
      if (total < 5 || total > limit || total > input.length - at) break;
      at += total;
      messages += 1;
    }
    this.#at = at;
    this.end = at;
    return messages;
  }

  #give(buffer: Buffer, start: number, end: number, first: boolean, last: boolean): void {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.first = first;
    this.last = last;
  }
}

const EMPTY = Buffer.alloc(0);

function printable(type: number): string {
  return type > 0x20 && type < 0x7f
    ? `'${String.fromCharCode(type)}'`
    : `0x${type.toString(16).padStart(2, '0')}`;
}

/** End of the NUL-terminated string that begins at `from`; throws when there is none before `end`. */
export function cstringEnd(buffer: Buffer, from: number, end: number): number {
  const at = buffer.indexOf(0, from);
  if (at === -1 || at >= end) throw new WireError('a string without its end');
  return at;
}

/** A message of `type` around `parts` (already encoded). */
export function message(type: number, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const out = Buffer.allocUnsafe(length + 1);
  out[0] = type;
  out.writeUInt32BE(length, 1);
  let at = 5;
  for (const part of parts) at += part.copy(out, at);
  return out;
}

export function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf8');
}

export function int32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeInt32BE(value | 0, 0);
  return out;
}

export function int16(value: number): Buffer {
  const out = Buffer.allocUnsafe(2);
  out.writeInt16BE(value, 0);
  return out;
}

/** @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-QUERY */
export function query(text: string): Buffer {
  return message(Front.query, cstring(text));
}

/** Parse of a statement without parameter types. */
export function parse(name: string, text: string): Buffer {
  return message(Front.parse, cstring(name), cstring(text), int16(0));
}

export const FLUSH = message(Front.flush);
export const TERMINATE = message(Front.terminate);

export interface StartupPacket {
  /** Protocol version (`major << 16 | minor`) or one of the request codes. */
  readonly code: number;
  readonly minor: number;
  readonly parameters: ReadonlyMap<string, string>;
  /** The whole packet, for a cancel request. */
  readonly body: Buffer;
}

/** PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH). */
export const MAX_STARTUP_BYTES = 10_000;

/**
 * The startup packet at the head of `input`, or null while it is incomplete.
 *
 * @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function readStartup(input: Buffer): { packet: StartupPacket; size: number } | null {
  if (input.length < 4) return null;
  const size = input.readUInt32BE(0);
  if (size < 8 || size > MAX_STARTUP_BYTES) throw new WireError(`a startup packet of ${size} bytes`);
  if (input.length < size) return null;
  const body = input.subarray(0, size);
  const code = body.readUInt32BE(4);
  const parameters = new Map<string, string>();
  if (code >>> 16 === 3) {
    let at = 8;
    while (at < size && body[at] !== 0) {
      const nameEnd = cstringEnd(body, at, size);
      const valueEnd = cstringEnd(body, nameEnd + 1, size);
      const name = strictUtf8(body.subarray(at, nameEnd));
      if (parameters.has(name)) throw new WireError(`startup parameter ${JSON.stringify(name)} given twice`);
      parameters.set(name, strictUtf8(body.subarray(nameEnd + 1, valueEnd)));
      at = valueEnd + 1;
    }
    if (at !== size - 1) throw new WireError('a startup packet without its terminator');
  }
  return { packet: { code, minor: code & 0xffff, parameters, body }, size };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Decodes UTF-8; throws {@link WireError} for anything that is not. */
export function strictUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new WireError('text that is not valid UTF-8');
  }
}

/** @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE */
export function startup(
  parameters: Iterable<readonly [string, string]>,
  version: number = PROTOCOL_3_0,
): Buffer {
  const parts: Buffer[] = [int32(version)];
  for (const [name, value] of parameters) parts.push(cstring(name), cstring(value));
  parts.push(Buffer.alloc(1));
  return untyped(parts);
}

/** The request to encrypt. */
export const SSL_REQUEST_PACKET = untyped([int32(SSL_REQUEST)]);

/** A cancel request for `key` (process id and secret, as they came in BackendKeyData). */
export function cancelRequest(key: Buffer): Buffer {
  return untyped([int32(CANCEL_REQUEST), key]);
}

function untyped(parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length + 4), body]);
}

/**
 * Fields of an ErrorResponse or NoticeResponse body by their one-letter code.
 *
 * @see https://www.postgresql.org/docs/18/protocol-error-fields.html
 */
export function errorFields(buffer: Buffer, start: number, end: number): Map<string, string> {
  const fields = new Map<string, string>();
  let at = start + 5;
  while (at < end && buffer[at] !== 0) {
    const stop = cstringEnd(buffer, at + 1, end);
    fields.set(String.fromCharCode(buffer[at] as number), buffer.toString('utf8', at + 1, stop));
    at = stop + 1;
  }
  return fields;
}
