import type { Socket } from 'node:net';
import type { Recorder } from '../contract.ts';

/** Bytes of one buffer. */
interface Piece {
  readonly buffer: Buffer;
  readonly start: number;
  end: number;
}

/** A message that may only be forwarded when its record is written; `refuse` gives what is forwarded otherwise. */
interface Guarded {
  /** Place in the list of pieces, and bytes of that piece's buffer. */
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
  #pieces: Piece[] = [];
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
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.buffer === buffer && last.end === start) last.end = end;
    else this.#pieces.push({ buffer, start, end });
  }

  addGuarded(buffer: Buffer, start: number, end: number, refuse: () => Buffer): void {
    this.add(buffer, start, end);
    this.#guarded.push({ piece: this.#pieces.length - 1, start, end, refuse });
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

  #write(pieces: readonly Piece[]): void {
    const [first] = pieces;
    if (pieces.length === 1 && first !== undefined) {
      this.#socket.write(bytesOf(first));
    } else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(bytesOf(piece));
      this.#socket.uncork();
    }
    if (this.#socket.writableNeedDrain) this.#full();
  }
}

function bytesOf({ buffer, start, end }: Piece): Buffer {
  return start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
}

function withRefusals(pieces: readonly Piece[], guarded: readonly Guarded[]): Piece[] {
  const out: Piece[] = [];
  let next = 0;
  pieces.forEach(({ buffer, start, end }, index) => {
    let at = start;
    for (let each = guarded[next]; each !== undefined && each.piece === index; each = guarded[++next]) {
      if (each.start > at) out.push({ buffer, start: at, end: each.start });
      const refusal = each.refuse();
      out.push({ buffer: refusal, start: 0, end: refusal.length });
      at = each.end;
    }
    if (at < end) out.push({ buffer, start: at, end });
  });
  return out;
}
