import type { Expected, Running } from './flow.ts';
import { cellsOf, copyCells } from './mask.ts';
import type { CellMask, MaskCount } from './mask-cells.ts';
import { CopyMasker } from './mask-copy.ts';
import { Gathered, RowMasker, type Shape, Slab } from './mask-rows.ts';
import { type FrameReader, WireError } from './wire.ts';

/** A whole message, somewhere in a buffer. */
export interface Piece {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What masks keep of a command while its results pass. */
export class MaskedResult {
  /** Which statement of the string it is at. */
  statement = 0;
  rows: RowMasker | null = null;
  /** The rows of the present statement are described, and none of them needs a mask. */
  untouched = false;
  /** How many columns were described. */
  columns = 0;
  copy: CopyMasker | null = null;
  /** The rows are surely of the columns that are described. */
  readonly settled: boolean;

  constructor(settled = true) {
    this.settled = settled;
  }

  /** The present statement has ended. */
  next(): MaskedResult {
    const next = new MaskedResult();
    next.statement = this.statement + 1;
    return next;
  }
}

/** Largest row that is copied although nothing of it changes, in bytes. */
const COPIED = 4096;

/** Masks the results of one session on their way to the client. */
export class ResultMasker {
  readonly #limit: number;
  readonly #gathered: Gathered;
  readonly #slab = new Slab();

  /** @param limit largest row that is masked, in bytes */
  constructor(limit: number) {
    this.#limit = limit;
    this.#gathered = new Gathered(limit);
  }

  /** Completes what was given out. Before that, none of it may go to the client. */
  settle(): void {
    this.#slab.settle();
  }

  /** The server has described the rows that follow. */
  described(head: Expected, shape: Shape): void {
    const { mask, masked, running } = head;
    const result = mask?.results[masked?.statement ?? 0];
    if (mask === null || masked === null || result === undefined) throw undescribed();
    const cells = cellsOf(mask, result, shape, masked.settled);
    masked.columns = cells.length;
    masked.untouched = cells.every((cell) => cell === null);
    masked.rows = masked.untouched ? null : new RowMasker(cells, this.#slab);
    keep(running, cells);
  }

  /**
   * The next (piece of a) row: what goes to the client now; null while a row is not complete.
   *
   * @param before the buffer of what goes to the client before it
   */
  row(head: Expected, reader: FrameReader, before: Buffer | null): Piece | null {
    const { masked } = head;
    if (masked === null) throw undescribed();
    if (masked.rows === null && !masked.untouched) {
      const shape = head.shaped?.shape ?? null;
      if (shape === null || typeof shape === 'number') throw undescribed();
      this.described(head, shape);
    }
    let { buffer, start, end } = reader;
    if (masked.rows === null) {
      if (reader.first && end - start >= 7 && buffer.readUInt16BE(start + 5) !== masked.columns)
        throw undescribed();
      return { buffer, start, end };
    }
    if (!reader.first || !reader.last) {
      const whole = this.#gathered.add(buffer, start, end, reader.first, reader.last);
      if (whole === null) return null;
      [buffer, start, end] = [whole, 0, whole.length];
    }
    const slab = this.#slab;
    if (!masked.rows.row(buffer, start, end)) {
      // Between rows that are rewritten it goes along with them: a write of its own would cost more.
      if (before !== slab.buffer || end - start > COPIED) return { buffer, start, end };
      slab.message(buffer, start, end);
    }
    return slab;
  }

  /** COPY data follow. @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-COPYOUTRESPONSE */
  copyBegins(head: Expected, buffer: Buffer, start: number, end: number): void {
    const { mask, masked, running } = head;
    const result = mask?.results[masked?.statement ?? 0];
    if (mask === null || masked === null || result === undefined) throw undescribed();
    if (result.copy === null) {
      // Rows of a query come as rows.
      if (result.bound !== null) throw undescribed();
      return;
    }
    const binary = result.copy.format === 'binary';
    if (end - start < 8 || (buffer[start + 5] === 1) !== binary) throw undescribed();
    const cells = copyCells(mask, result, buffer.readUInt16BE(start + 6), binary);
    if (cells === null) throw undescribed();
    masked.copy = new CopyMasker(result.copy, cells, this.#limit, this.#slab);
    keep(running, cells);
  }

  /** Whether COPY data of the present statement are to be masked. @throws WireError where no COPY was announced that gives such */
  copiesMasked({ mask }: Expected, masked: MaskedResult): masked is MaskedResult & { copy: CopyMasker } {
    if (masked.copy !== null) return true;
    const result = mask?.results[masked.statement];
    if (result === undefined || result.bound !== null || result.copy !== null) throw undescribed();
    return false;
  }

  /** The next (piece of a) message of COPY data. @param each called for every message that goes to the client now */
  copyData(
    copy: CopyMasker,
    { buffer, start, end, first }: FrameReader,
    each: (buffer: Buffer, start: number, end: number) => void,
  ): void {
    const slab = this.#slab;
    copy.push(buffer, first ? start + 5 : start, end, () => each(slab.buffer, slab.start, slab.end));
  }
}

function keep(running: Running | null, cells: readonly (CellMask | null)[]): void {
  if (running === null) return;
  running.cells ??= [];
  for (const cell of cells) if (cell !== null) running.cells.push(cell);
}

function undescribed(): WireError {
  return new WireError('rows other than those that were described');
}

const NOTHING: readonly MaskCount[] = [];

/** What was masked in the results of a command, as its record says it. */
export function maskCounts(cells: readonly CellMask[] | null): readonly MaskCount[] {
  if (cells === null) return NOTHING;
  const all = new Map<string, MaskCount>();
  for (const { counts } of cells) {
    for (const [key, { column, rule, rows }] of counts) {
      const known = all.get(key);
      if (known === undefined) all.set(key, { column, rule, rows });
      else known.rows += rows;
    }
  }
  return [...all.values()];
}
