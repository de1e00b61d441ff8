import { protocolName } from './statement-name.ts';
import { cstringEnd, type FrameReader, Front, WireError } from './wire.ts';

const SMALL_MESSAGE = 64 * 1024;
const MAX_COPY_MESSAGE = 1024 * 1024 * 1024;
const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(Front));

/** Messages a client may send, and how large they may be. */
export function requestRules(messageBytes: number) {
  const held = (type: number): boolean => type === Front.query || type === Front.parse || type === Front.bind;
  return {
    limit: (type: number): number =>
      !KNOWN_TYPES.has(type)
        ? 0
        : type === Front.copyData
          ? MAX_COPY_MESSAGE
          : held(type)
            ? messageBytes
            : SMALL_MESSAGE,
    streams: (type: number): boolean => type === Front.copyData,
    skips: held,
  };
}

/** What may be said while data of a COPY are being sent. */
export const IN_COPY: ReadonlySet<number> = new Set([
  Front.copyData,
  Front.copyDone,
  Front.copyFail,
  Front.flush,
  Front.sync,
  Front.terminate,
]);

/** Parameter types of a Parse message, from `at`. @throws WireError when they do not fill the rest of it */
export function readTypes(buffer: Buffer, at: number, end: number): number[] {
  if (at + 2 > end) throw new WireError('a malformed Parse message');
  const count = buffer.readUInt16BE(at);
  if (at + 2 + count * 4 !== end) throw new WireError('a malformed Parse message');
  const types: number[] = [];
  for (let i = 0; i < count; i++) types.push(buffer.readUInt32BE(at + 2 + i * 4));
  return types;
}

/** @throws WireError for one that has a body */
export function noBody({ type, start, end }: FrameReader): void {
  if (end - start !== 5) throw new WireError(`a malformed '${String.fromCharCode(type)}' message`);
}

/** What a Describe or Close message is about. @throws WireError for a malformed one */
export function readTarget({ buffer, start, end }: FrameReader): {
  readonly isStatement: boolean;
  readonly name: string;
} {
  const letter = buffer[start + 5];
  if (
    end - start < 7 ||
    (letter !== 0x53 && letter !== 0x50) ||
    cstringEnd(buffer, start + 6, end) !== end - 1
  ) {
    throw new WireError('a malformed Describe or Close message');
  }
  return { isStatement: letter === 0x53, name: protocolName(buffer, start + 6, end - 1) };
}
