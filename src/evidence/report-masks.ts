import { type Transform, transformWords } from '../core/masks.ts';
import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { refName, table, tag } from './report-parts.ts';

/** The rules by which values were shown only masked; nothing where there never was one. */
export function masks(populations: Populations): Html {
  const rows = [...populations.members('mask')].map(([, { state, lastActor, lastLeaf }]) => {
    const match = (state.match ?? {}) as Readonly<Record<string, readonly string[]>>;
    const { columns = [], names = [], detectors = [] } = match;
    const grant = typeof state.grant === 'string' ? `grant ${state.grant}` : '';
    const where = [refName(state.resource), refName(state.principal), grant].filter((name) => name !== '');
    const transform = transformWords((state.transform ?? {}) as Transform);
    const probes = state.probes === 'allow' ? html`<br><span class="soft">may be compared</span>` : html``;
    return html`<tr><td><b>${String(state.name ?? '')}</b>, revision ${String(state.revision ?? '')}</td><td>${where.join(', ') || 'everywhere'}</td><td>${[...columns, ...names, ...detectors].join(', ')}</td><td>${transform}${probes}</td><td>${tag(String(state.status))} <span class="soft">by ${lastActor.name}${typeof state.statusReason === 'string' ? `: ${state.statusReason}` : ''}</span></td><td class="n">${lastLeaf}</td></tr>
`;
  });
  if (rows.length === 0) return html``;
  return html`<h2>What was shown only masked</h2>
${table(['Rule', 'Where', 'Columns and content', 'Shown instead', 'Status', '#Leaf'], rows)}`;
}
