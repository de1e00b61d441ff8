import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { refName, table, tag } from './report-parts.ts';

/** The rules by which values were shown only masked; nothing where there never was one. */
export function masks(populations: Populations): Html {
  const rows = [...populations.members('mask')].map(([, { state, lastActor, lastLeaf }]) => {
    const match = (state.match ?? {}) as Readonly<Record<string, readonly string[]>>;
    const { columns = [], names = [], detectors = [] } = match;
    const { kind } = (state.transform ?? {}) as { readonly kind?: string };
    const where = [refName(state.resource), refName(state.principal)].filter((name) => name !== '');
    return html`<tr><td><b>${String(state.name ?? '')}</b>, revision ${String(state.revision ?? '')}</td><td>${where.join(', ') || 'everywhere'}</td><td>${[...columns, ...names, ...detectors].join(', ')}</td><td>${kind ?? ''}</td><td>${tag(String(state.status))} <span class="soft">by ${lastActor.name}</span></td><td class="n">${lastLeaf}</td></tr>
`;
  });
  if (rows.length === 0) return html``;
  return html`<h2>What was shown only masked</h2>
${table(['Rule', 'Where', 'Columns and content', 'Shown instead', 'Status', '#Leaf'], rows)}`;
}
