import type { CommandFacts } from '../../activity/ocsf/command-event.ts';
import type { OcsfContext } from '../../activity/ocsf/context.ts';
import type { PayloadsShown, ShownCommandRow } from '../format.ts';

/** What the event of a command tells, of its row. */
export function factsOf(row: ShownCommandRow, context: OcsfContext): CommandFacts {
  const { decision, why, outcomeLeaf } = row;
  const session = context.session(row.session);
  const colon = why.indexOf(': ');
  return {
    record: {
      id: row.id,
      time: row.time,
      leaf: row.leaf,
      type: decision === 'allow' ? 'command.intent' : 'command.denied',
    },
    principal: row.principal,
    owner: row.owner,
    session: row.session,
    resource: row.resource,
    protocol: session?.protocol ?? 'postgres',
    grant: row.grant,
    verbs: row.verbs,
    objects: row.objects,
    fingerprint: row.fingerprint,
    refused:
      decision === 'allow' ? null : { code: why.slice(0, Math.max(0, colon)), reason: why.slice(colon + 2) },
    rule: decision === 'allow' ? why : null,
    delegation: session?.delegation ?? [],
    outcome:
      outcomeLeaf === null
        ? null
        : {
            leaf: outcomeLeaf,
            status: row.status ?? '',
            code: row.code ?? '',
            rows: row.rows ?? 0,
            bytes: row.bytes ?? 0,
            durationUs: row.durationUs ?? 0,
            masked: [],
          },
    statement: statementOf(row.payloads),
  };
}

/** The statement in the form in which the package shows it; null where it does not. */
function statementOf({ statement }: PayloadsShown): string | null {
  if (statement === undefined) return null;
  if ('text' in statement) return statement.text;
  return 'masked' in statement ? statement.masked : null;
}
