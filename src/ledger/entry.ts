import type { Commitment, StoredKind } from './payload-seal.ts';
import { MAX_ENTRY_BYTES } from './tiles.ts';

/**
 * From a record to the bytes of its leaf: `{"v":1,"leaf":N,["principalSeq":M,]["payloads":{...},]` and the record's
 * own JSON without its first brace.
 */

type Payloads = Partial<Record<StoredKind, Commitment>>;

const BASE_TEXT = 256;

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, BASE_TEXT).toWellFormed() : undefined;
}

function ref(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, id, name } = value as Record<string, unknown>;
  return { kind: text(kind), id: text(id), name: text(name) };
}

/** What the sequencer adds, as the beginning of the entry. */
export function entryHead(
  leaf: number,
  principalSeq: number | undefined,
  payloads: Payloads | undefined,
): string {
  let head = `{"v":1,"leaf":${leaf},`;
  if (principalSeq !== undefined) head += `"principalSeq":${principalSeq},`;
  if (!payloads) return head;
  let list = '';
  for (const kind in payloads) {
    const { commitment, bytes } = payloads[kind as StoredKind] as Commitment;
    list += `${list === '' ? '' : ','}"${kind}":{"commitment":"${commitment}","bytes":${bytes}}`;
  }
  return `${head}"payloads":{${list}},`;
}

/**
 * The entry of a record that is too large for one. Its whole text must already be among the payloads (kind `record`),
 * so nothing is lost; the leaf keeps as many `objects` as fit and says how many it left out (`objectsOmitted`). Where
 * even that is too large, it keeps who, what and when, and says `recordOmitted`.
 */
export function shortenedEntry(head: string, record: Readonly<Record<string, unknown>>): string {
  const { objects } = record;
  if (Array.isArray(objects)) {
    let fits = -1;
    for (let low = 0, high = objects.length - 1; low <= high; ) {
      const middle = Math.floor((low + high) / 2);
      if (Buffer.byteLength(withObjects(head, record, objects, middle)) <= MAX_ENTRY_BYTES) {
        fits = middle;
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    if (fits >= 0) return withObjects(head, record, objects, fits);
  }
  const base = {
    id: text(record.id),
    time: text(record.time),
    type: text(record.type),
    actor: ref(record.actor),
    principal: ref(record.principal),
    session: text(record.session),
    resource: ref(record.resource),
    grant: text(record.grant),
    intent: text(record.intent),
    recordOmitted: true,
  };
  return head + JSON.stringify(base).slice(1);
}

function withObjects(
  head: string,
  record: Readonly<Record<string, unknown>>,
  objects: readonly unknown[],
  count: number,
): string {
  const kept = { ...record, objects: objects.slice(0, count), objectsOmitted: objects.length - count };
  return head + JSON.stringify(kept).slice(1);
}
