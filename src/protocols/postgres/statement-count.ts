/** How many statements a text holds. */
import { Engine, isExhaustion } from './engine.ts';
import { textToExamine } from './tool-texts.ts';
import { isTree, list } from './tree.ts';

/** Longer texts are not parsed for this. */
const TEXT_MAX = 65_536;

export class StatementCounter {
  #engine: Engine | null = null;

  /** Null where it cannot be told. */
  async count(text: string): Promise<number | null> {
    if (text.length > TEXT_MAX) return null;
    this.#engine ??= await Engine.create();
    try {
      const parsed = this.#engine.parse(textToExamine(text));
      if (this.#engine.worn) this.#engine = null;
      return 'tree' in parsed && isTree(parsed.tree) ? list(parsed.tree.stmts).length : null;
    } catch (error) {
      // A tree that is no JSON is the parser's fault, and cannot be counted either.
      if (!isExhaustion(error) && !(error instanceof SyntaxError)) throw error;
      this.#engine = null;
      return null;
    }
  }
}
