/** A document to be read, without saying how: as HTML (`html.ts`) and as PDF (`pdf.ts`). All texts are plain. */

/** How something is to be taken: it is as it should be, it is not, it is not known, or nothing is said. */
export type Tone = 'good' | 'bad' | 'open' | 'plain';

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly tone: Tone;
}

/** A day, or what stands for several. */
export interface Day {
  readonly label: string;
  readonly good: number;
  readonly bad: number;
}

export interface TableColumn {
  readonly title: string;
  /** Share of the width, in any unit. */
  readonly share: number;
  readonly numbers?: boolean;
  readonly code?: boolean;
}

export type Block =
  /** `break`: begins on a new page. */
  | {
      readonly kind: 'heading';
      readonly level: 1 | 2 | 3;
      readonly text: string;
      readonly id: string;
      readonly break?: boolean;
    }
  | { readonly kind: 'text'; readonly text: string; readonly soft?: boolean }
  | {
      readonly kind: 'outcome';
      readonly word: string;
      readonly tone: Tone;
      readonly id: string;
      readonly text: string;
    }
  | { readonly kind: 'facts'; readonly rows: readonly (readonly [string, string])[] }
  | {
      readonly kind: 'table';
      readonly columns: readonly TableColumn[];
      readonly rows: readonly (readonly Cell[])[];
    }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'bars'; readonly title: string; readonly bars: readonly Bar[] }
  | { readonly kind: 'days'; readonly title: string; readonly days: readonly Day[] };

/** A text, or one that leads to a heading or an outcome with an id, or has a tone. */
export type Cell = string | { readonly text: string; readonly to?: string; readonly tone?: Tone };

export const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text);
