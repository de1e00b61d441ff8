/** How long a session has been idle, found out at its rechecks: nothing is done for it on the hot path. */
import type { GrantView } from '../../core/views.ts';
import type { SessionEnd } from '../contract.ts';
import type { Flow } from './flow.ts';

/** What it looks at of a session. */
export interface Watched {
  readonly flow: Pick<Flow, 'expected'>;
  readonly statementsSeen: number;
  standsUnder(nowMs: number): readonly GrantView[];
}

export class IdleFor {
  readonly #session: Watched;
  #seen = -1;
  #since = 0;

  constructor(session: Watched) {
    this.#session = session;
  }

  /** Why the session must end, or null. Open transactions do not count as work. */
  tooLong(nowMs: number): SessionEnd | null {
    const { flow, statementsSeen } = this.#session;
    if (flow.expected.length > 0 || statementsSeen !== this.#seen) {
      this.#seen = statementsSeen;
      this.#since = nowMs;
      return null;
    }
    const limits = this.#session
      .standsUnder(nowMs)
      .map(({ conditions }) => conditions.idleTimeoutMs)
      .filter((limit) => limit !== undefined);
    const least = Math.min(...limits);
    if (nowMs - this.#since < least) return null;
    return {
      kind: 'idle timeout',
      code: 'POSTERN_TIMEOUT',
      message: `session closed: it was idle for the ${least / 1000} s that its grant allows`,
    };
  }
}
