import { createHash } from 'node:crypto';
import { uuidv7 } from '../../core/ids.ts';
import { nowMicros } from '../../core/time.ts';
import type { Allowed } from './decide.ts';
import { Expected, type ExpectedKind, type Portal, Running } from './flow.ts';
import { failing, payloads } from './refusals.ts';
import type { PgSession } from './session.ts';
import { FLUSH, type FrameReader } from './wire.ts';

/** How a message of the client goes on: as it came, or once the record of what it runs is written. */
export class Forwarding {
  readonly #session: PgSession;
  readonly #reader: FrameReader;

  /** @param reader where the message stands */
  constructor(session: PgSession, reader: FrameReader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Writes the intent of what `decision` allows. */
  record(decision: Allowed, text: Buffer, parameters: Buffer | null): Running {
    const { gateway, records, who } = this.#session;
    const micros = nowMicros();
    const running = new Running(uuidv7(), micros);
    if (who.resource.resultDigest) running.digest = createHash('sha256');
    gateway.recorder.append(
      records.intent(running.id, micros, decision.fragment),
      payloads(text, parameters),
    );
    return running;
  }

  /** The first Execute of a portal is what was recorded when it was bound, unless another grant is used by now. */
  takeOver(portal: Portal, decision: Allowed): Running | null {
    const { bound } = portal;
    if (bound === null) return null;
    portal.bound = null;
    const { running, fragment } = bound;
    if (!running.open || fragment !== decision.fragment) return null;
    running.taken = true;
    // With a Sync between the two it waited for the client.
    if (this.#session.flow.bound.delete(running)) running.startedMicros = nowMicros();
    return running;
  }

  /** Forwards the current message once the record of it is written, and a failing one in its place if it cannot be. */
  forwardGuarded(expected: Expected, running: Running): void {
    const { flow, outbox } = this.#session;
    const { buffer, start, end } = this.#reader;
    flow.expected.push(expected);
    outbox.addGuarded(buffer, start, end, () => {
      running.open = false;
      expected.denied = {
        severity: 'ERROR',
        code: 'POSTERN_AUDIT_UNAVAILABLE',
        message: 'the record of this statement cannot be written, so it was not forwarded',
        hint: 'The gateway forwards again as soon as its journal can be written; its operator must look at the disk.',
      };
      flow.drop(expected);
      return failing(expected.kind, running.id);
    });
  }

  /** Forwards the current message. */
  forward(kind: ExpectedKind): Expected {
    const { buffer, start, end } = this.#reader;
    const expected = new Expected(kind);
    this.#session.flow.expected.push(expected);
    this.#session.outbox.add(buffer, start, end);
    return expected;
  }

  /** Waits until everything forwarded has been answered. */
  drain(): Promise<void> {
    const { flow, outbox } = this.#session;
    const last = flow.expected.at(-1);
    if (last !== undefined && last.kind !== 'sync' && last.kind !== 'query') outbox.add(FLUSH);
    return flow.drained();
  }
}
