import { type Html, html } from './html.ts';
import type { Populations } from './populations.ts';
import { refName, table, tag, when } from './report-parts.ts';

/** Ways of proof that should not be, or not any more: static secrets for as long as they live, and keys in two hands. */
export function exceptions(populations: Populations): Html {
  const found = [...populations.members('binding').values()].filter(
    ({ state }) =>
      (state.kind === 'secret' && (state.status === 'active' || state.status === 'requested')) ||
      state.status === 'locked',
  );
  if (found.length === 0) return html``;
  const rows = found.map(
    ({ state, leaf }) =>
      html`<tr><td><b>${refName(state.principal)}</b></td><td>${state.kind === 'secret' ? 'static secret' : 'key in two hands'} ${tag(String(state.status))}</td><td>${String(state.kind === 'secret' ? (state.reason ?? '') : (state.endReason ?? ''))}</td><td>${refName(state.requestedBy)}<br>${refName(state.approver)}</td><td class="t">${when(String(state.expiresAt ?? state.endedAt ?? ''))}</td><td class="n">${leaf}</td></tr>
`,
  );
  return html`<h2>Exceptions</h2>
<p class="soft">Static secrets that live or wait for approval, and keys that were found in two hands.</p>
${table(['Principal', 'What', 'Why', 'Asked for by, approver', 'End', '#Leaf'], rows)}`;
}
