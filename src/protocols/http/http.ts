import type { Socket } from 'node:net';
import { Attempts } from '../../core/attempts.ts';
import type { ResourceView } from '../../core/views.ts';
import type { CredentialAnswer, Gateway, Protocol, TestStep } from '../contract.ts';
import { RefusalLog } from '../refusal-log.ts';
import type { Shared } from './connection.ts';
import { Door } from './door.ts';
import { Identifier } from './identify.ts';
import { RateWindows } from './rate.ts';
import { testService } from './test-service.ts';
import { Upstreams } from './upstream.ts';

/** As for PostgreSQL: credentials have 256 random bits. */
const ATTEMPTS = { source: 1000, name: 2000, rest: 5000, shared: true } as const;

/** HTTP for a gateway worker. */
export const createHttp = (gateway: Gateway): Protocol => new Http(gateway);

class Http implements Protocol {
  readonly #shared: Shared;
  readonly #door: Door;
  /** Connections on which nobody has proven who they are. */
  #strangers = 0;

  constructor(gateway: Gateway) {
    this.#shared = {
      gateway,
      identifier: new Identifier(gateway, new Attempts(ATTEMPTS)),
      upstreams: new Upstreams(gateway.limits.upstreamMs),
      rates: new RateWindows(gateway.workers),
      refusals: new RefusalLog(gateway.recorder, 'http'),
    };
    this.#door = new Door(this.#shared);
  }

  accept(socket: Socket): void {
    if (this.#strangers >= this.#shared.gateway.limits.handshakes) {
      socket.destroy();
      return;
    }
    this.#strangers += 1;
    this.#door.accept(socket, () => {
      this.#strangers -= 1;
    });
  }

  flush(): void {
    this.#shared.refusals.flush();
  }

  /** There are no cancel requests: who does not wait for an answer closes. */
  cancel(): void {
    // Nothing to pass on.
  }

  test(resource: ResourceView): Promise<readonly TestStep[]> {
    return testService(resource, this.#shared.gateway.limits.upstreamMs);
  }

  async credential(resource: ResourceView): Promise<CredentialAnswer> {
    return { outcome: 'failed', why: `a credential of ${resource.protocol} cannot be replaced by Postern` };
  }
}
