import { describeConditions } from '../core/condition-words.ts';
import type { GrantConditions } from '../core/conditions.ts';
import type { Ref, RuleRef } from '../core/record.ts';
import { type Html, html } from './html.ts';
import type { Member, Populations } from './populations.ts';
import { count, refName, table, tag, when } from './report-parts.ts';
import type { ReportTally } from './report-tally.ts';

/** Who may do what, only how, until when, and on whose word. */
export function grants(populations: Populations, tally: ReportTally): Html {
  const rows = [...populations.members('grant')].map(([id, member]) => {
    const { state } = member;
    const authority = (state.authority ?? {}) as {
      kind?: string;
      approvers?: Ref[];
      rule?: Partial<RuleRef>;
      ticket?: string;
      justification?: string;
    };
    return html`<tr><td><b>${refName(state.principal)}</b> on ${refName(state.resource)}<br><code>${String(state.scope ?? '')}</code>${conditionsOf(state.conditions).map((words) => html`<br><span class="soft">only ${words}</span>`)}</td><td>${authorityWords(authority).join(', ')}<br><span class="soft">${authority.ticket ?? 'no ticket'}${authority.justification ? ` · ${authority.justification}` : ''}</span></td><td class="t">${when(String(state.start ?? ''))}<br>${when(String(state.end ?? ''))}</td><td>${ending(member)}</td><td class="n">${count(tally.commandsUnder(id))}</td><td class="n">${member.leaf}</td></tr>
`;
  });
  return html`<h2>On whose authority</h2>
${table(['Grant, scope and conditions', 'Approved by', 'Start and end', 'How it ended', '#Commands', '#Leaf'], rows)}`;
}

/** Who agreed, and the rule of the policy that it rests on. */
export function authorityWords({
  kind,
  approvers = [],
  rule,
}: {
  readonly kind?: string;
  readonly approvers?: readonly Ref[];
  readonly rule?: Partial<RuleRef>;
}): string[] {
  const people = approvers.map(({ name }) => name);
  if (rule === undefined) return people;
  const policy = `policy ${rule.policy}/${rule.rule}, revision ${rule.revision}`;
  return [...people, kind === 'emergency' ? `emergency under ${policy}` : policy];
}

function ending({ state, lastActor, lastTime }: Member): Html {
  if (state.status === 'active') return tag('active');
  const at = typeof state.endedAt === 'string' ? state.endedAt : lastTime;
  return html`${tag(String(state.status))}<br>${when(at)}<br><span class="soft">by ${lastActor.name}${
    typeof state.endReason === 'string' ? `: ${state.endReason}` : ''
  }</span>`;
}

/** In plain words; as they stand where they have not the form of conditions, since a package may hold anything. */
function conditionsOf(conditions: unknown): readonly string[] {
  if (typeof conditions !== 'object' || conditions === null) return [];
  try {
    return describeConditions(conditions as GrantConditions);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return [JSON.stringify(conditions)];
  }
}
