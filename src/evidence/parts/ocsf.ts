import { commandEvent } from '../../activity/ocsf/command-event.ts';
import { OcsfContext } from '../../activity/ocsf/context.ts';
import { leafEvent } from '../../activity/ocsf/leaf-event.ts';
import { microsOf } from '../../activity/times.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import { FILES, type Parameters, type ShownCommandRow } from '../format.ts';
import { factsOf } from './event-facts.ts';
import { EventTexts } from './event-texts.ts';
import { linesOf, otherRecords, type PartSource, rowOf } from './read.ts';
import { RowScan } from './row-scan.ts';

/** Bytes that are handed out together. */
const PIECE = 1 << 19;

/** The lines of {@link ocsfLines}, many at once. A piece is good until the next one is asked for. */
export function* ocsfBytes(source: PartSource): Generator<Uint8Array> {
  const piece = Buffer.allocUnsafe(PIECE);
  let length = 0;
  for (const line of ocsfLines(source)) {
    if (length + line.length > PIECE) {
      yield piece.subarray(0, length);
      length = 0;
    }
    if (line.length > PIECE) yield Buffer.from(line, 'latin1');
    else length += piece.write(line, length, 'latin1');
  }
  yield piece.subarray(0, length);
}

/**
 * The activity as OCSF events, a line each, a character for each of its bytes: one event for a command, with its outcome, and one for
 * every other record. They come in the order in which the log closed them; commands that it never closed at the end.
 */
function* ocsfLines(source: PartSource): Generator<string> {
  // A command may be closed behind its session.
  const context = new OcsfContext({ forgets: false });
  const texts = new EventTexts(context);
  const scan = new RowScan();
  const wanted = selection(source.manifest.parameters);
  const others = otherRecords(source);
  const next = (): LeafRecord | null => others.next().value ?? null;
  let other = next();
  const before = function* (leaf: number): Generator<string> {
    for (; other !== null && other.leaf < leaf; other = next()) {
      context.take(other);
      if (wanted(other)) yield lineOf(leafEvent(other, context));
    }
  };
  for (const line of linesOf(source.files, FILES.commands)) {
    if (scan.read(line)) {
      const leaf = Number(scan.outcomeLeaf);
      if (other !== null && other.leaf < leaf) yield* before(leaf);
      const text = texts.line(scan);
      if (text !== null) {
        yield text;
        continue;
      }
    }
    const row = rowOf(line);
    yield* before(closedAt(row));
    yield lineOf(commandEvent(factsOf(row, context), context));
  }
  yield* before(Number.POSITIVE_INFINITY);
}

function lineOf(event: object): string {
  return Buffer.from(`${JSON.stringify(event)}\n`, 'utf8').toString('latin1');
}

/** The leaf that closed a command. */
function closedAt({ leaf, outcomeLeaf, decision }: ShownCommandRow): number {
  return outcomeLeaf ?? (decision === 'deny' ? leaf : Number.POSITIVE_INFINITY);
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
