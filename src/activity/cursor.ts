import { createHash } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import type { ActivityFilter } from './filter.ts';

export type Order = 'asc' | 'desc';

const FIELDS = [
  'principal',
  'owner',
  'resource',
  'grant',
  'session',
  'verb',
  'object',
  'decision',
  'type',
  'since',
  'until',
] as const;

/** The place after which the next page begins, opaque to the caller and bound to its filter and order. */
export function writeCursor(leaf: number, order: Order, filter: ActivityFilter): string {
  return Buffer.from(`${leaf} ${digest(order, filter)}`).toString('base64url');
}

/**
 * The leaf after which a page begins.
 *
 * @throws PosternError POSTERN_INVALID for a cursor that was not written for this filter and order
 */
export function readCursor(cursor: string, order: Order, filter: ActivityFilter): number {
  const match =
    cursor.length <= 128
      ? /^(0|[1-9]\d{0,15}) ([\w-]{16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
      : null;
  if (match === null || match[2] !== digest(order, filter)) {
    throw new PosternError(
      'POSTERN_INVALID',
      'The cursor does not belong to this query.',
      'Use the `next` of the previous page with the same filters, or start again without a cursor.',
    );
  }
  return Number(match[1]);
}

function digest(order: Order, filter: ActivityFilter): string {
  const text = JSON.stringify([order, ...FIELDS.map((field) => filter[field] ?? null)]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
