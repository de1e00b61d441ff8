import { Back, cstring, int32, message, PROTOCOL_3_0, type StartupPacket, WireError } from './wire.ts';

/**
 * Which minor version of protocol 3 is spoken on a leg. Between 3.0 and 3.2 one thing differs: the length of the key in a
 * cancel request. The two legs of a session are negotiated apart.
 *
 * @see https://www.postgresql.org/docs/18/protocol.html#PROTOCOL-EXTENSIONS
 * @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-NEGOTIATEPROTOCOLVERSION
 */
export const PROTOCOL_3_2 = 0x3_0002;

/** Bytes of the secret in a cancel key: what PostgreSQL 18 makes, and the most that the protocol allows. */
const SECRET_BYTES = { before: 4, since: 32, most: 256 } as const;

/** Process id and the longest secret. */
export const MAX_CANCEL_KEY_BYTES = 4 + SECRET_BYTES.most;

/** The version that a client gets, and what it is told where that is not all it asked for. */
export function negotiate(packet: StartupPacket): {
  readonly version: number;
  readonly answer: Buffer | null;
} {
  const options = [...packet.parameters.keys()].filter((name) => name.startsWith('_pq_.'));
  const version = Math.min(packet.code, PROTOCOL_3_2);
  if (version === packet.code && options.length === 0) return { version, answer: null };
  const parts = [int32(version), int32(options.length), ...options.map(cstring)];
  return { version, answer: message(Back.negotiateProtocolVersion, ...parts) };
}

/** How long the secret is that a client of `version` is given, in bytes. */
export function cancelSecretBytes(version: number): number {
  return version >= PROTOCOL_3_2 ? SECRET_BYTES.since : SECRET_BYTES.before;
}

/**
 * The version that a server offers instead of the one that was asked for.
 *
 * @param buffer with a whole NegotiateProtocolVersion in [start, end)
 * @throws WireError for a version that nobody asked for, or options that were not sent
 */
export function offeredVersion(buffer: Buffer, start: number, end: number, asked: number): number {
  if (end - start < 13) throw new WireError('a malformed negotiation of the protocol version');
  const said = buffer.readUInt32BE(start + 5);
  // Some say the minor version alone, as the manual of older releases put it.
  const version = said < 0x1_0000 ? PROTOCOL_3_0 + said : said;
  if (version < PROTOCOL_3_0 || version >= asked || buffer.readInt32BE(start + 9) !== 0)
    throw new WireError('a negotiation of the protocol version that nobody asked for');
  return version;
}

/**
 * Process id and secret out of BackendKeyData.
 *
 * @throws WireError for a secret whose length `version` does not allow
 */
export function cancelKeyOf(buffer: Buffer, start: number, end: number, version: number): Buffer {
  const secret = end - start - 9;
  const fits =
    version >= PROTOCOL_3_2
      ? secret >= SECRET_BYTES.before && secret <= SECRET_BYTES.most
      : secret === SECRET_BYTES.before;
  if (!fits) throw new WireError(`a cancel key of ${secret} bytes`);
  return Buffer.from(buffer.subarray(start + 5, end));
}
