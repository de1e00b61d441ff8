import { pc } from './colors.ts';
import { cutTo, displayWidth, safeLine } from './text.ts';

export type Cell = string | number | null | undefined;

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => Cell;
  readonly align?: 'right';
  /** Columns of text that may be cut where the terminal is too narrow; the smallest width they are cut to. */
  readonly shrinkTo?: number;
  /** Paints the finished cell. */
  readonly paint?: (text: string, row: T) => string;
}

const GAP = '  ';

/**
 * A table without lines. Its column widths come from the rows of its first call and stay, so that pages printed
 * one after the other line up.
 */
export class TextTable<T> {
  readonly #columns: readonly Column<T>[];
  readonly #limit: number;
  #widths: number[] | null = null;

  /** @param limit columns of the terminal; Infinity where nothing is cut */
  constructor(columns: readonly Column<T>[], limit: number = Number.POSITIVE_INFINITY) {
    this.#columns = columns;
    this.#limit = limit;
  }

  /** The rows as lines, each with its line end; the first call puts the head above them. */
  format(rows: readonly T[]): string {
    if (rows.length === 0) return '';
    const cells = rows.map((row) => this.#columns.map((column) => show(column.value(row))));
    let text = '';
    if (this.#widths === null) {
      this.#widths = this.#layout(cells);
      text = this.#line(
        this.#columns.map((column) => column.title.toUpperCase()),
        () => pc.bold,
      );
    }
    cells.forEach((row, at) => {
      text += this.#line(row, (column) => (cell) => column.paint?.(cell, rows[at] as T) ?? cell);
    });
    return text;
  }

  #line(cells: readonly string[], painter: (column: Column<T>) => (cell: string) => string): string {
    const parts = this.#columns.map((column, at) => {
      const width = this.#widths?.[at] ?? 0;
      const cell =
        this.#limit === Number.POSITIVE_INFINITY ? (cells[at] as string) : cutTo(cells[at] as string, width);
      const padding = ' '.repeat(Math.max(0, width - displayWidth(cell)));
      const painted = painter(column)(cell);
      if (column.align === 'right') return padding + painted;
      return at === this.#columns.length - 1 ? painted : painted + padding;
    });
    return `${parts.join(GAP)}\n`;
  }

  /** Natural widths, then the widest columns that may shrink do so, one column at a time, until all fit. */
  #layout(cells: readonly (readonly string[])[]): number[] {
    const widths = this.#columns.map((column, at) =>
      cells.reduce(
        (width, row) => Math.max(width, displayWidth(row[at] as string)),
        displayWidth(column.title),
      ),
    );
    let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - this.#limit;
    while (excess > 0) {
      let widest = -1;
      this.#columns.forEach((column, at) => {
        const room = column.shrinkTo !== undefined && (widths[at] as number) > column.shrinkTo;
        if (room && (widest < 0 || (widths[at] as number) > (widths[widest] as number))) widest = at;
      });
      if (widest < 0) break;
      widths[widest] = (widths[widest] as number) - 1;
      excess--;
    }
    return widths;
  }
}

function show(cell: Cell): string {
  if (cell === null || cell === undefined || cell === '') return '-';
  return typeof cell === 'number' ? cell.toLocaleString('en-US') : safeLine(cell);
}

export type Field = readonly [label: string, value: Cell];

/** Label and value, one pair per line, values aligned. */
export function formatFields(fields: readonly Field[]): string {
  const width = Math.max(...fields.map(([label]) => label.length));
  return fields.map(([label, value]) => `${pc.dim(label.padEnd(width))}  ${show(value)}\n`).join('');
}
