/** Which columns a text uses, as far as the text alone says it. */
import type { ColumnUse } from './classified.ts';
import { Engine } from './engine.ts';
import { examineText } from './examine-text.ts';

/** What the parser reads inline. */
const TEXT_MAX = 8192;

export class ColumnReader {
  #engine: Engine | null = null;

  /** Null where that cannot be told. */
  async read(text: string | null): Promise<readonly ColumnUse[] | null> {
    if (text === null || text.length > TEXT_MAX) return null;
    this.#engine ??= await Engine.create();
    const { examined, lost } = examineText(this.#engine, text);
    if (lost) this.#engine = null;
    return examined.classified.denied === null ? examined.classified.columns : null;
  }
}
