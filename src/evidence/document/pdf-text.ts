import { visible } from '../html.ts';

/** What is asked of a font. */
export interface Face {
  hasGlyphForCodePoint(code: number): boolean;
}

/** Texts as a font can show them. */
export class PdfText {
  readonly #face: Face;
  readonly #known = new Map<number, boolean>();

  constructor(face: Face) {
    this.#face = face;
  }

  /**
   * A text of which everything is seen: what the font has no picture of stands as its number.
   *
   * @param most characters after which it is cut, and says so
   */
  clean(text: string, most = 1000): string {
    let clean = '';
    for (const c of visible(text.toWellFormed())) {
      if (clean.length >= most) return `${clean} [cut: ${text.length} characters]`;
      clean +=
        c === '\n' || this.#has(c.codePointAt(0) as number) ? c : c === '\t' ? '    ' : `[U+${hex(c)}]`;
    }
    return clean;
  }

  #has(code: number): boolean {
    const known = this.#known.get(code);
    if (known !== undefined) return known;
    const has = this.#face.hasGlyphForCodePoint(code);
    this.#known.set(code, has);
    return has;
  }
}

const hex = (c: string): string => (c.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
