import { Expected, type Flow, type Portal } from './flow.ts';
import type { StatementMask } from './mask.ts';
import { MaskedResult } from './mask-results.ts';
import type { Outbox } from './outbox.ts';
import { cstringEnd, type FrameReader, Front, message } from './wire.ts';

const PORTAL = Buffer.from('P');

/**
 * Prepares the answer to a command for its masks, which need to know the columns of a result. The server tells them for a simple query; for an
 * Execute it has to be asked, and where the client has not done that, Postern does, and keeps the answer to itself.
 *
 * @param portal what the Execute at the reader runs; null for a simple query
 * @param settled the columns that are described are surely those of the rows
 */
export function maskResults(
  expected: Expected,
  mask: StatementMask,
  portal: Portal | null,
  settled: boolean,
  session: { readonly flow: Flow; readonly outbox: Outbox },
  reader: FrameReader,
): void {
  expected.mask = mask;
  if (!mask.rewrites) return;
  expected.masked = new MaskedResult(settled);
  expected.shaped = portal;
  const { flow } = session;
  if (portal === null || !mask.describes) return;
  if (Array.isArray(portal.shape) || portal.shape === flow.batch) return;
  const { buffer, start, end } = reader;
  const name = buffer.subarray(start + 5, cstringEnd(buffer, start + 5, end) + 1);
  const describe = new Expected('describe');
  describe.shaped = portal;
  describe.hidden = true;
  portal.shape = flow.batch;
  flow.expected.push(describe);
  session.outbox.add(message(Front.describe, PORTAL, name));
}
