import type { LogPosition, Parameters } from './format.ts';
import { type Html, html } from './html.ts';

/** A table; a heading that begins with # is that of a column of numbers. */
export function table(headings: readonly string[], rows: readonly Html[]): Html {
  if (rows.length === 0) return html`<p>None.</p>`;
  const head = headings.map((heading) =>
    heading.startsWith('#') ? html`<th class="n">${heading.slice(1)}</th>` : html`<th>${heading}</th>`,
  );
  return html`<div class="wrap"><table><thead><tr>${head}</tr></thead><tbody>
${rows}</tbody></table></div>`;
}

/** A status as a coloured word, or words in its colour. */
export function tag(status: string, words = status): Html {
  const kind = status === 'active' || status === 'open' ? 'live' : status === 'refused' ? 'bad' : 'ended';
  return html`<span class="tag ${kind}">${words}</span>`;
}

/** The name beside an id; empty where there is none. */
export function refName(value: unknown): string {
  return typeof value === 'object' && value !== null && 'name' in value ? String(value.name) : '';
}

/** A number with commas between the thousands. */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A time to the second, for reading; the data files have the microseconds. */
export function when(time: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(time);
  return match === null ? time : `${match[1]} ${match[2]} UTC`;
}

/** Of which log position something is. */
export function asOfWords({ time, size }: LogPosition): string {
  return `as of ${time === null ? 'an empty log' : when(time)}, ${count(size)} leaves`;
}

/** Whom or what a package is about. */
export function aboutWords({ principal, resource }: Pick<Parameters, 'principal' | 'resource'>): string {
  return principal?.name ?? resource?.name ?? 'All machine access';
}
