const LEAST = 1024;

/** Bytes that gather. It grows by doubling, so that many small additions cost no more than one large one. */
export class Growing {
  #buffer: Buffer = Buffer.alloc(0);
  length = 0;

  add(from: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(LEAST, 2 * length));
      this.#buffer.copy(larger, 0, 0, this.length);
      this.#buffer = larger;
    }
    from.copy(this.#buffer, this.length, start, end);
    this.length = length;
  }

  /** What has gathered, in a buffer that nothing else uses; begins anew. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.length));
    this.length = 0;
    // What something large needed is not kept for the small things behind it.
    if (this.#buffer.length > 64 * LEAST) this.#buffer = Buffer.alloc(0);
    return taken;
  }
}
