import { type CommandFacts, commandEvent } from '../../activity/ocsf/command-event.ts';
import { OcsfContext } from '../../activity/ocsf/context.ts';
import { leafEvent } from '../../activity/ocsf/leaf-event.ts';
import { microsOf } from '../../activity/times.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import type { Parameters, PayloadsShown, ShownCommandRow } from '../format.ts';
import { commandRows, otherRecords, type PartSource } from './read.ts';

/**
 * The activity as OCSF events, a line each: one for a command, with its outcome, and one for every other record. They come in
 * the order in which the log closed them; commands that it never closed at the end.
 */
export function* ocsfLines(source: PartSource): Generator<string> {
  // A command may be closed behind its session.
  const context = new OcsfContext({ forgets: false });
  const wanted = selection(source.manifest.parameters);
  const others = otherRecords(source);
  const next = (): LeafRecord | null => others.next().value ?? null;
  let other = next();
  const before = function* (leaf: number): Generator<string> {
    for (; other !== null && other.leaf < leaf; other = next()) {
      context.take(other);
      if (wanted(other)) yield `${JSON.stringify(leafEvent(other, context))}\n`;
    }
  };
  for (const row of commandRows(source)) {
    yield* before(closedAt(row));
    yield `${JSON.stringify(commandEvent(factsOf(row, context), context))}\n`;
  }
  yield* before(Number.POSITIVE_INFINITY);
}

/** The leaf that closed a command. */
function closedAt({ leaf, outcomeLeaf, decision }: ShownCommandRow): number {
  return outcomeLeaf ?? (decision === 'deny' ? leaf : Number.POSITIVE_INFINITY);
}

function factsOf(row: ShownCommandRow, context: OcsfContext): CommandFacts {
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
export function statementOf({ statement }: PayloadsShown): string | null {
  if (statement === undefined) return null;
  if ('text' in statement) return statement.text;
  return 'masked' in statement ? statement.masked : null;
}

/** Which records other than commands are asked for: of the time and on the resource. */
function selection({ resource, since, until }: Parameters): (record: LeafRecord) => boolean {
  const from = since === null ? Number.NEGATIVE_INFINITY : microsOf(since);
  const to = until === null ? Number.POSITIVE_INFINITY : microsOf(until);
  return (record) => {
    if (resource !== null && !isOn(record, resource.id)) return false;
    const time = microsOf(record.time);
    return time >= from && time < to;
  };
}

function isOn(record: LeafRecord, resource: string): boolean {
  const change = record.change as { id: string; after: { resource?: { id?: string } | null } } | undefined;
  const on = record.resource as { id?: string } | undefined;
  return on?.id === resource || change?.id === resource || change?.after.resource?.id === resource;
}
