import type { Socket } from 'node:net';
import { Attempts } from '../../core/attempts.ts';
import { PosternError } from '../../core/errors.ts';
import type { OwnTraces, Survey } from '../../core/upstream-facts.ts';
import type { ResourceView } from '../../core/views.ts';
import type { CredentialAnswer, Gateway, PasswordChange, Protocol, TestStep } from '../contract.ts';
import { RefusalLog } from '../refusal-log.ts';
import { Handshake, type Shared } from './accept.ts';
import { CancelKeys } from './cancel-keys.ts';
import { tracesAt } from './own-traces.ts';
import { RelationCatalogs } from './relations.ts';
import { ident, literal } from './role-privileges.ts';
import { SessionRoles } from './session-roles.ts';
import { simpleQuery } from './simple-query.ts';
import { SpareConnections } from './spare-connections.ts';
import { StatementCatalogue } from './statements.ts';
import { survey } from './survey.ts';
import { connectUpstream, PasswordRefused } from './upstream.ts';

/**
 * Failures in a minute after which a network, or a name, is not heard at this worker: far more than who mistypes makes, and far
 * fewer than would cost or find anything. Credentials have 256 random bits.
 */
const ATTEMPTS = { source: 1000, name: 2000, rest: 5000, shared: true } as const;

/** For connecting, and again for all questions: the control process waits for 30 s. */
const SURVEY_MS = 12_000;

/** PostgreSQL for a gateway worker. Resolves when statements can be examined. */
export async function createPostgres(): Promise<(gateway: Gateway) => Protocol> {
  const statements = await StatementCatalogue.load();
  return (gateway) => new Postgres(gateway, statements);
}

class Postgres implements Protocol {
  readonly #shared: Shared;
  #handshakes = 0;

  constructor(gateway: Gateway, statements: StatementCatalogue) {
    this.#shared = {
      gateway,
      statements,
      catalogs: new RelationCatalogs(
        gateway.limits.upstreamMs,
        (resource) => gateway.directory.resource(resource.id) ?? resource,
      ),
      roles: new SessionRoles(gateway),
      attempts: new Attempts(ATTEMPTS),
      refusals: new RefusalLog(gateway.recorder, 'postgres'),
      spares: new SpareConnections(),
      keys: new CancelKeys(gateway.worker, (worker, key) => gateway.routeCancel(worker, key)),
    };
  }

  accept(socket: Socket): void {
    if (this.#handshakes >= this.#shared.gateway.limits.handshakes) {
      socket.destroy();
      return;
    }
    this.#handshakes += 1;
    void new Handshake(this.#shared, socket).run().finally(() => {
      this.#handshakes -= 1;
    });
  }

  flush(): void {
    this.#shared.refusals.flush();
  }

  cancel(key: Buffer): void {
    this.#shared.keys.cancel(key);
  }

  async credential(resource: ResourceView, change: PasswordChange | null): Promise<CredentialAnswer> {
    const timeoutMs = this.#shared.gateway.limits.upstreamMs;
    const settings = new Map([
      ['application_name', 'postern passwords'],
      ['lock_timeout', String(timeoutMs)],
      ['statement_timeout', String(timeoutMs)],
    ]);
    try {
      const upstream = await connectUpstream(resource, resource.database, settings, timeoutMs);
      try {
        if (change !== null) {
          const { user, verifier } = change;
          const sql = `alter role ${ident(user)} password ${literal(verifier)}`;
          await simpleQuery(upstream, sql, timeoutMs);
        }
      } finally {
        upstream.socket.destroy();
      }
      return { outcome: 'done' };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { outcome: error instanceof PasswordRefused ? 'refused' : 'failed', why };
    }
  }

  survey(resource: ResourceView): Promise<Survey> {
    const { installation, limits } = this.#shared.gateway;
    const asked = { ...resource, upstream: resource.admin ?? resource.upstream };
    return survey(asked, installation, Math.min(limits.upstreamMs, SURVEY_MS));
  }

  traces(resource: ResourceView): OwnTraces {
    const { boot, live } = this.#shared.roles;
    return { boot, roles: [...live], ...tracesAt(resource) };
  }

  async test(resource: ResourceView): Promise<readonly TestStep[]> {
    const steps: TestStep[] = [];
    let since = performance.now();
    const report = (step: string, detail: string, ok = true): void => {
      const now = performance.now();
      steps.push({ step, ok, detail, ms: Math.round((now - since) * 10) / 10 });
      since = now;
    };
    const timeoutMs = this.#shared.gateway.limits.upstreamMs;
    const parameters = new Map([['application_name', 'postern test']]);
    try {
      const upstream = await connectUpstream(resource, resource.database, parameters, timeoutMs, report);
      try {
        const [row] = await simpleQuery(upstream, 'SELECT version()', timeoutMs);
        report('query', row?.[0] ?? 'no answer');
      } finally {
        upstream.socket.destroy();
      }
      if (resource.admin !== null) report('administer', await this.#shared.roles.test(resource));
    } catch (error) {
      report('failed', error instanceof PosternError ? error.message : String(error), false);
    }
    return steps;
  }
}
