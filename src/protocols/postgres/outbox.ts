import type { Socket } from 'node:net';
import type { Recorder } from '../contract.ts';

/** A message that may only be forwarded when its record is written; `refuse` gives what is forwarded otherwise. */
interface Guarded {
  /** Place in the list of pieces, and bytes within that piece. */
  readonly piece: number;
  readonly start: number;
  readonly end: number;
  readonly refuse: () => Buffer;
}

/**
 * What waits to go upstream. Pass-through bytes of one buffer stay one piece. Nothing behind a guarded message overtakes it.
 */
export class Outbox {
  readonly #socket: Socket;
  readonly #recorder: Recorder;
  readonly #durability: 'process' | 'power';
  readonly #full: () => void;
  #pieces: Buffer[] = [];
  #guarded: Guarded[] = [];
  #unwritten = 0;
  #closed = false;

  /** @param full called when the resource does not take more for now */
  constructor(socket: Socket, recorder: Recorder, durability: 'process' | 'power', full: () => void) {
    this.#socket = socket;
    this.#full = full;
    this.#recorder = recorder;
    this.#durability = durability;
  }

  add(buffer: Buffer, start = 0, end = buffer.length): void {
    const at = this.#pieces.length - 1;
    const last = this.#pieces[at];
    if (
      last !== undefined &&
      last.buffer === buffer.buffer &&
      last.byteOffset + last.length === buffer.byteOffset + start
    ) {
      this.#pieces[at] = Buffer.from(last.buffer as ArrayBuffer, last.byteOffset, last.length + end - start);
    } else {
      this.#pieces.push(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
    }
  }

  addGuarded(buffer: Buffer, start: number, end: number, refuse: () => Buffer): void {
    this.add(buffer, start, end);
    const piece = this.#pieces.length - 1;
    const stop = (this.#pieces[piece] as Buffer).length;
    this.#guarded.push({ piece, start: stop - (end - start), end: stop, refuse });
  }

  /** Forwards what has gathered: at once when no record is pending, else when it has been written. */
  flush(): void {
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    const guarded = this.#guarded;
    this.#pieces = [];
    if (guarded.length === 0 && this.#unwritten === 0) {
      this.#write(pieces);
      return;
    }
    if (guarded.length > 0) this.#guarded = [];
    this.#unwritten += 1;
    this.#recorder.afterWrite(this.#durability, (written) => {
      this.#unwritten -= 1;
      if (!this.#closed) this.#write(written ? pieces : withRefusals(pieces, guarded));
    });
  }

  close(): void {
    this.#closed = true;
  }

  #write(pieces: readonly Buffer[]): void {
    if (pieces.length === 1) {
      this.#socket.write(pieces[0] as Buffer);
    } else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    }
    if (this.#socket.writableNeedDrain) this.#full();
  }
}

function withRefusals(pieces: readonly Buffer[], guarded: readonly Guarded[]): Buffer[] {
  const out: Buffer[] = [];
  let next = 0;
  pieces.forEach((piece, index) => {
    let at = 0;
    for (let each = guarded[next]; each !== undefined && each.piece === index; each = guarded[++next]) {
      if (each.start > at) out.push(piece.subarray(at, each.start));
      out.push(each.refuse());
      at = each.end;
    }
    if (at < piece.length) out.push(piece.subarray(at));
  });
  return out;
}
