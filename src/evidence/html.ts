const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** HTML that may stand in a page as it is. Made by `html` alone. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Template tag: every value is escaped unless it is HTML already; lists are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly unknown[]): Html {
  let text = strings[0] ?? '';
  for (const [i, value] of values.entries()) text += render(value) + (strings[i + 1] ?? '');
  return new Html(text);
}

function render(value: unknown): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return escapeHtml(value === null || value === undefined ? '' : String(value));
}

/** Text as HTML that shows it: markup, quotes, and what {@link visible} shows. */
export function escapeHtml(text: string): string {
  // Half a pair of surrogates is no UTF-8.
  return visible(text.toWellFormed().replace(/[&<>"']/g, (c) => ESCAPES[c] as string));
}

/**
 * Text in which control characters, as their pictures, and the marks that turn the direction of writing (which could make a
 * statement read as another) are seen.
 */
export function visible(text: string): string {
  return text
    .replace(/\p{Cc}/gu, (c) => (c === '\n' || c === '\t' ? c : String.fromCodePoint(pictureOf(c))))
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `[U+${c.charCodeAt(0).toString(16)}]`);
}

function pictureOf(control: string): number {
  const code = control.charCodeAt(0);
  return code < 0x20 ? 0x2400 + code : code === 0x7f ? 0x2421 : 0xfffd;
}
