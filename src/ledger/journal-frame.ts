import { crc32 } from 'node:zlib';
import { PAYLOAD_KINDS, type Payload } from '../core/record.ts';

/**
 * The bytes of a journal (docs/ledger-format.md, "Journal"). A file is a header and frames; a frame holds the
 * records of one flush and counts only as a whole.
 */

/** First bytes of every journal, the format's version in the last one. */
export const JOURNAL_HEADER: Buffer = Buffer.from('PSTNJRN\u0001', 'latin1');
/** Length and CRC-32 of the body, and the CRC-32 of those eight bytes. */
export const FRAME_HEADER_BYTES = 12;
/** A flush above this is refused; a frame that claims more is damaged. */
export const MAX_FRAME_BYTES = 256 * 1024 * 1024;
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024;

/** A record queued for a frame. */
export interface QueuedRecord {
  readonly json: string;
  readonly payloads: readonly Payload[] | undefined;
}

/** Encodes frames into one buffer that is used again and again. */
export class FrameEncoder {
  #buffer: Buffer = Buffer.allocUnsafeSlow(64 * 1024);

  /** One frame with all records; valid until the next call. @throws RangeError above {@link MAX_FRAME_BYTES} */
  encode(records: readonly QueuedRecord[]): Buffer {
    let bound = FRAME_HEADER_BYTES;
    for (const { json, payloads } of records) {
      bound += 5 + json.length * 3;
      if (payloads) for (const payload of payloads) bound += 5 + payload.data.length;
    }
    if (bound > MAX_FRAME_BYTES) throw new RangeError('More than 256 MiB of records in one write.');
    this.#fit(bound);
    const buffer = this.#buffer;
    let offset = FRAME_HEADER_BYTES;
    for (const { json, payloads } of records) {
      const bytes = buffer.write(json, offset + 4, 'utf8');
      buffer.writeUInt32BE(bytes, offset);
      offset += 4 + bytes;
      buffer[offset] = payloads?.length ?? 0;
      offset += 1;
      if (!payloads) continue;
      for (const { kind, data } of payloads) {
        buffer[offset] = PAYLOAD_KINDS.indexOf(kind);
        buffer.writeUInt32BE(data.length, offset + 1);
        buffer.set(data, offset + 5);
        offset += 5 + data.length;
      }
    }
    buffer.writeUInt32BE(offset - FRAME_HEADER_BYTES, 0);
    buffer.writeUInt32BE(crc32(buffer.subarray(FRAME_HEADER_BYTES, offset)), 4);
    buffer.writeUInt32BE(crc32(buffer.subarray(0, 8)), 8);
    return buffer.subarray(0, offset);
  }

  #fit(bytes: number): void {
    const length = this.#buffer.length;
    if (bytes > length || (length > KEPT_BUFFER_BYTES && bytes < KEPT_BUFFER_BYTES / 2)) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(64 * 1024, 2 ** Math.ceil(Math.log2(bytes))));
    }
  }
}

/** What stands at the beginning of some bytes: a whole frame, not enough to tell, or something else. */
export type FrameScan =
  | { readonly kind: 'frame'; readonly bodyEnd: number; readonly body: Buffer }
  | { readonly kind: 'short'; readonly needed: number }
  | { readonly kind: 'bad'; readonly frameEnd: number | null };

/** Looks at the frame that begins at `offset`. `needed` and `frameEnd` count from `offset`. */
export function scanFrame(bytes: Buffer, offset: number): FrameScan {
  if (bytes.length - offset < FRAME_HEADER_BYTES) return { kind: 'short', needed: FRAME_HEADER_BYTES };
  const length = bytes.readUInt32BE(offset);
  const headerHolds = crc32(bytes.subarray(offset, offset + 8)) === bytes.readUInt32BE(offset + 8);
  if (!headerHolds || length === 0 || length > MAX_FRAME_BYTES) return { kind: 'bad', frameEnd: null };
  const frameBytes = FRAME_HEADER_BYTES + length;
  if (bytes.length - offset < frameBytes) return { kind: 'short', needed: frameBytes };
  const body = bytes.subarray(offset + FRAME_HEADER_BYTES, offset + frameBytes);
  if (crc32(body) !== bytes.readUInt32BE(offset + 4)) return { kind: 'bad', frameEnd: frameBytes };
  return { kind: 'frame', bodyEnd: offset + frameBytes, body };
}

/** A record in a frame. */
export interface FramedRecord {
  /** Its JSON. */
  readonly bytes: Buffer;
  readonly payloads: readonly Payload[];
}

const NO_PAYLOADS: readonly Payload[] = [];

/** Records of a frame's body, as views of it; null where its inside does not add up. */
export function decodeBody(body: Buffer): FramedRecord[] | null {
  const records: FramedRecord[] = [];
  let offset = 0;
  const take = (bytes: number): number => {
    const start = offset;
    offset += bytes;
    return offset <= body.length ? start : -1;
  };
  while (offset < body.length) {
    const at = take(4);
    const start = at < 0 ? -1 : take(body.readUInt32BE(at));
    const end = offset;
    const countAt = start < 0 ? -1 : take(1);
    if (countAt < 0) return null;
    const count = body[countAt] as number;
    const bytes = body.subarray(start, end);
    if (count === 0) {
      records.push({ bytes, payloads: NO_PAYLOADS });
      continue;
    }
    const payloads: Payload[] = [];
    for (let left = count; left > 0; left--) {
      const head = take(5);
      const data = head < 0 ? -1 : take(body.readUInt32BE(head + 1));
      const kind = head < 0 ? undefined : PAYLOAD_KINDS[body[head] as number];
      if (data < 0 || kind === undefined) return null;
      payloads.push({ kind, data: body.subarray(data, offset) });
    }
    records.push({ bytes, payloads });
  }
  return records;
}
