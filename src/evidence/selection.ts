import { PosternError } from '../core/errors.ts';
import type { Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import { entries, type TileStore } from '../ledger/tiles.ts';
import { lossesOf } from './losses.ts';
import { type ReadRecord, RecordReader } from './record-reader.ts';

/** A leaf as the evidence reads it. */
export interface ReadLeaf extends ReadRecord {
  readonly index: number;
  readonly entry: Buffer;
}

/** Every leaf of the log, in order. */
export function* allLeaves(store: TileStore, size: number): Generator<ReadLeaf> {
  const reader = new RecordReader();
  for (const { index, entry } of entries(store, 0, size)) yield { index, entry, ...reader.read(entry) };
}

/**
 * The leaves of a package about one principal: every leaf that takes one of its sequence numbers, the change records of the
 * people and resources that those leaves refer to, the masks for everybody, what was said of everybody's texts, and what was lost of
 * journals. Nothing of another principal.
 */
export function* leavesOfPrincipal(store: TileStore, size: number, principalId: string): Generator<ReadLeaf> {
  const own = Buffer.from(JSON.stringify(principalId));
  const context = contextOf(store, size, principalId);
  const reader = new RecordReader();
  for (const { index, entry } of entries(store, 0, size)) {
    if (!context.has(index) && !entry.includes(own)) continue;
    const read = reader.read(entry);
    if (context.has(index) || read.record.principal?.id === principalId) yield { index, entry, ...read };
  }
}

/**
 * Leaves of the people and resources that a principal's records refer to, and of holds and rules for everybody's texts. Change
 * and session records are enough to find them: a command runs in a session on the session's resource.
 */
function contextOf(store: TileStore, size: number, principalId: string): ReadonlySet<number> {
  const markers = [Buffer.from('"change":{'), Buffer.from('"type":"session.'), Buffer.from('"lost":[')];
  const losses = new Set<number>();
  const candidates: { readonly index: number; readonly id: string }[] = [];
  const named = new Set<string>();
  for (const { index, entry } of entries(store, 0, size)) {
    if (!markers.some((marker) => entry.includes(marker))) continue;
    const record = JSON.parse(entry.toString('utf8')) as LeafRecord;
    if (record.principal?.id === principalId) nameAll(record, named);
    else if (lossesOf(index, record).length > 0) losses.add(index);
    else if (record.principal === undefined && isContext(record)) {
      const { entity, id, after } = record.change as { entity: string; id: string; after: MaskOn };
      // A mask of a resource is shown where the resource is.
      const on = entity === 'mask' ? after.resource?.id : undefined;
      candidates.push({ index, id: on ?? id });
      if (entity === 'person' || entity === 'resource' || on !== undefined) continue;
      nameAll(record, named);
      named.add(id);
    }
  }
  return new Set([...losses, ...candidates.filter(({ id }) => named.has(id)).map(({ index }) => index)]);
}

interface MaskOn {
  readonly resource?: Ref | null;
}

const CONTEXT: ReadonlySet<unknown> = new Set([
  'person',
  'resource',
  'trust',
  'mask',
  'legal_hold',
  'retention',
  'lifecycle',
  'parameters',
]);

/**
 * Whether a record without principal may be shown beside another principal's: what a person or resource is, what is masked for
 * everybody, what holds for the texts of everybody, and what was lost, since nobody knows of whom that was.
 */
export function isContext(record: LeafRecord): boolean {
  if (lossesOf(0, record).length > 0) return true;
  return CONTEXT.has((record.change as { entity?: unknown } | undefined)?.entity);
}

/** Collects the ids of everything a record refers to. */
function nameAll(value: unknown, ids: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'id' && typeof inner === 'string') ids.add(inner);
    else nameAll(inner, ids);
  }
}

/**
 * Resolves the names in a request against the log's own change records.
 *
 * @throws PosternError POSTERN_NOT_FOUND
 */
export function resolve(store: TileStore, size: number, entity: 'principal' | 'resource', ref: string): Ref {
  const marker = Buffer.from(`"change":{"entity":"${entity}"`);
  let found: Ref | null = null;
  for (const { entry } of entries(store, 0, size)) {
    if (!entry.includes(marker)) continue;
    const { change } = JSON.parse(entry.toString('utf8')) as {
      change: { id: string; after: { name?: unknown } };
    };
    const name = String(change.after.name ?? change.id);
    if (change.id === ref || name === ref) found = { id: change.id, name };
  }
  if (found !== null) return found;
  throw new PosternError(
    'POSTERN_NOT_FOUND',
    `The log knows no ${entity} ${JSON.stringify(ref.slice(0, 128))}.`,
    'Name it by its id or its name.',
  );
}
