import { networkOf } from '../core/attempts.ts';
import type { PrincipalView, ResourceView } from '../core/views.ts';
import type { Recorder } from './contract.ts';
import { refusedRecord } from './session-records.ts';

const WINDOW_MS = 60_000;
/** So many refusals of one principal, network and reason are recorded one by one in a minute; those beyond as one record. */
const SINGLY = 10;
/** So many principals, networks and reasons are told apart in a minute; those beyond are told by principal alone. */
const KEYS_MAX = 256;

interface Refusal {
  readonly principal: PrincipalView;
  readonly resource: ResourceView | undefined;
  readonly source: string;
  readonly code: string;
  readonly reason: string;
}

/**
 * Records of refused connections, so many and no more: a client that knocks for ever fills no disk. Nothing is left out: what is
 * not recorded by itself is counted in a record of its own, a minute later at most.
 */
export class RefusalLog {
  readonly #recorder: Pick<Recorder, 'append'>;
  readonly #protocol: string;
  readonly #counted = new Map<string, { readonly last: Refusal; count: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(recorder: Pick<Recorder, 'append'>, protocol: string) {
    this.#recorder = recorder;
    this.#protocol = protocol;
  }

  note(refusal: Refusal): void {
    const { principal, source, code } = refusal;
    const network = networkOf(source.replace(/:\d+$/, ''));
    const exact = `${principal.id} ${code} ${network}`;
    const key = this.#counted.has(exact) || this.#counted.size < KEYS_MAX ? exact : principal.id;
    const count = (this.#counted.get(key)?.count ?? 0) + 1;
    this.#counted.set(key, { last: refusal, count });
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS).unref();
    if (key === exact && count <= SINGLY) this.#record(refusal);
  }

  /** Records what was only counted so far. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [key, { last, count }] of this.#counted) {
      const beyond = key.includes(' ') ? count - SINGLY : count;
      if (beyond > 0) this.#record(last, beyond);
    }
    this.#counted.clear();
  }

  #record({ principal, resource, source, code, reason }: Refusal, repeated?: number): void {
    const { id, name } = principal;
    this.#recorder.append(
      refusedRecord(this.#protocol, { id, name }, resource, {
        source,
        code,
        reason,
        ...(repeated !== undefined && { repeated }),
      }),
    );
  }
}
