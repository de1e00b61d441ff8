/** The way of a body through its masks: decoded, masked, in pieces, with the pressure of the receiver handed on. */
import { Transform, type TransformCallback, type Writable } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';
import { Unmaskable } from './mask-values.ts';

/** Masks pieces of a body, in their order. */
export interface Masker {
  /** @throws Unmaskable */
  push(chunk: Buffer): Buffer;
  /** @throws Unmaskable */
  end(): Buffer;
}

/** Encodings that can be taken away. */
export const CODINGS = ['gzip', 'x-gzip', 'deflate', 'br', 'zstd'] as const;
export type Coding = (typeof CODINGS)[number];

/** So many bytes of a body may come of one that was encoded, beyond what is held anyway: more is a bomb. */
const MAX_EXPANSION = 250;

/** What a service sends is written to `input`; what the client gets is read from `output`, whose errors are all `Unmaskable`. */
export interface MaskedBody {
  readonly input: Writable;
  readonly output: Transform;
}

class MaskStream extends Transform {
  readonly #masker: Masker;
  readonly #allowed: () => number;
  #bytes = 0;

  constructor(masker: Masker, allowed: () => number) {
    super();
    this.#masker = masker;
    this.#allowed = allowed;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#allowed()) {
      done(new Unmaskable('the answer unpacks to far more than was sent'));
      return;
    }
    this.#run(done, () => this.#masker.push(chunk));
  }

  override _flush(done: TransformCallback): void {
    this.#run(done, () => this.#masker.end());
  }

  #run(done: TransformCallback, mask: () => Buffer): void {
    let out: Buffer;
    try {
      out = mask();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (out.length > 0) this.push(out);
    done();
  }
}

/** @param messageBytes largest part that is held whole */
export function maskedBody(masker: Masker, coding: Coding | null, messageBytes: number): MaskedBody {
  if (coding === null) {
    const stream = new MaskStream(masker, () => Number.POSITIVE_INFINITY);
    return { input: stream, output: stream };
  }
  const decoder = decoderOf(coding);
  const stream = new MaskStream(masker, () => messageBytes + MAX_EXPANSION * decoder.bytesWritten);
  decoder.on('error', () => stream.destroy(new Unmaskable(`the answer cannot be unpacked (${coding})`)));
  stream.once('close', () => decoder.destroy());
  decoder.pipe(stream);
  return { input: decoder, output: stream };
}

/** Windows are as large as clients of HTTP take them. @see https://www.rfc-editor.org/rfc/rfc9659#section-3 */
const ZSTD_WINDOW_LOG = 23;

function decoderOf(coding: Coding): Transform & { readonly bytesWritten: number } {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  }
}
