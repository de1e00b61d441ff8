/**
 * Walks over the messages of a PostgreSQL connection in chunks of any size and counts them: a type byte (but for
 * the first message of a client), a length that counts itself, a body.
 *
 * @see https://www.postgresql.org/docs/18/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
export class Framer {
  messages = 0;
  /** Bytes of the current message's body that are still to come. */
  #body = 0;
  /** What is there of a header that was cut by the end of a chunk. */
  #cut = 0;
  #length = 0;
  #headerSize: 4 | 5;

  constructor(firstIsUntyped: boolean) {
    this.#headerSize = firstIsUntyped ? 4 : 5;
  }

  push(chunk: Buffer): void {
    let at = 0;
    for (;;) {
      if (this.#body > 0) {
        const step = Math.min(this.#body, chunk.length - at);
        this.#body -= step;
        at += step;
      }
      if (at === chunk.length) return;
      if (this.#cut === 0 && chunk.length - at >= this.#headerSize) {
        this.#begin(chunk.readInt32BE(at + this.#headerSize - 4));
        at += this.#headerSize;
        this.#headerSize = 5;
        continue;
      }
      // The type byte is shifted out of the 32 bits by the four bytes of the length.
      this.#length = ((this.#length << 8) | (chunk[at] as number)) >>> 0;
      at += 1;
      this.#cut += 1;
      if (this.#cut === this.#headerSize) {
        this.#begin(this.#length);
        this.#cut = 0;
        this.#headerSize = 5;
      }
    }
  }

  #begin(length: number): void {
    if (length < 4) throw new Error(`a message of length ${length}`);
    this.messages += 1;
    this.#body = length - 4;
  }
}
