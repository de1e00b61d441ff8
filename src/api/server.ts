/**
 * The HTTP API. HTTPS only, JSON, bearer tokens of people. Every route names its operation in `rights.ts`; a route
 * that does not, cannot be registered.
 */
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance } from 'fastify';
import { PosternError } from '../core/errors.ts';
import type { PrincipalCaller } from '../identity/access-tokens.ts';
import type { Caller } from '../identity/tokens.ts';
import { authenticate, showsCredential } from './authenticate.ts';
import type { ApiDeps } from './deps.ts';
import { errorHandler, TooMany } from './errors.ts';
import { networkOf } from './network.ts';
import { principalCaller } from './principal-caller.ts';
import { type Operation, type Reach, reachOf, requireFresh, requirePrincipals } from './rights.ts';
import { activityRoutes, savedQueryRoutes } from './routes/activity.ts';
import { alertRoutes } from './routes/alerts.ts';
import { authenticatorRoutes } from './routes/authenticators.ts';
import { bindingRoutes } from './routes/bindings.ts';
import { channelRoutes } from './routes/channels.ts';
import { credentialRoutes } from './routes/credentials.ts';
import { decidePage } from './routes/decide-page.ts';
import { delegationRoutes } from './routes/delegations.ts';
import { directoryRoutes } from './routes/directories.ts';
import { evidenceRoutes } from './routes/evidence.ts';
import { evidenceScheduleRoutes } from './routes/evidence-schedules.ts';
import { frameworkRoutes } from './routes/frameworks.ts';
import { grantRoutes } from './routes/grants.ts';
import { hookRoutes } from './routes/hooks.ts';
import { joinRoutes } from './routes/join.ts';
import { ledgerRoutes } from './routes/ledger.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { linkRoutes } from './routes/links.ts';
import { logRoutes } from './routes/log.ts';
import { logReviewRoutes } from './routes/log-reviews.ts';
import { loginRoutes } from './routes/login.ts';
import { cliLoginRoutes } from './routes/login-cli.ts';
import { oidcLoginRoutes } from './routes/login-oidc.ts';
import { loginPages } from './routes/login-pages.ts';
import { maskRoutes } from './routes/masks.ts';
import { ownKeyRoutes } from './routes/own-keys.ts';
import { payloadRoutes } from './routes/payloads.ts';
import { personRoutes } from './routes/persons.ts';
import { platformRoutes } from './routes/platforms.ts';
import { policyRoutes } from './routes/policies.ts';
import { possessionRoutes } from './routes/possession.ts';
import { principalRoutes } from './routes/principals.ts';
import { providerRoutes } from './routes/providers.ts';
import { reconciliationRoutes } from './routes/reconciliations.ts';
import { rehearsalRoutes } from './routes/rehearsals.ts';
import { requestRoutes } from './routes/requests.ts';
import { resourceRoutes } from './routes/resources.ts';
import { reviewItemRoutes } from './routes/review-items.ts';
import { reviewRoutes } from './routes/reviews.ts';
import { rightSizingRoutes } from './routes/right-sizing.ts';
import { scimRoutes } from './routes/scim.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { setupRoutes } from './routes/setup.ts';
import { signInRoutes } from './routes/sign-in.ts';
import { sinkRoutes } from './routes/sinks.ts';
import { systemRoutes } from './routes/system.ts';
import { tokenRoutes } from './routes/token.ts';
import { trustRoutes } from './routes/trust.ts';
import { unusedRightsRoutes } from './routes/unused-rights.ts';
import { vaultRoutes } from './routes/vault.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The right it takes; `public` for a route without a token. */
    operation?: Operation | 'public';
  }
  interface FastifyRequest {
    caller: Caller | null;
    /** The principal that calls, where it is no person. */
    agent: PrincipalCaller | null;
    reach: Reach;
  }
}

export const BODY_LIMIT = 1024 * 1024;
const MINUTE = 60_000;
/** Requests per minute and address, all routes together. */
const REQUESTS = 12_000;
/** Failed authentications per minute and address; beyond it they are refused without looking the token up. */
const FAILURES = 30;

/** The server, ready to listen. Closing it is the caller's. */
export async function createApi(deps: ApiDeps): Promise<FastifyInstance> {
  const app = Fastify({
    https: {
      ...{ key: deps.tls.keyPem, cert: deps.tls.certPem, minVersion: 'TLSv1.2' },
      // A client may show a certificate: for a credential, or beside a token that is bound to it. What it proves is judged there.
      // Postern's own authority alone is named: a browser asks nobody who has no certificate of it, and Node hands out the
      // certificates beside the first only where it did not find the way to an authority itself.
      ...{ requestCert: true, rejectUnauthorized: false, ca: deps.tls.caPem },
    },
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    connectionTimeout: 0,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 400 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setErrorHandler(errorHandler(deps.logger));
  app.setNotFoundHandler(() => {
    throw new PosternError('POSTERN_NOT_FOUND', 'There is no such route.');
  });
  app.decorateRequest('caller', null);
  app.decorateRequest('agent', null);
  app.decorateRequest('reach', 'own');
  await app.register(helmet, { contentSecurityPolicy: { directives: { defaultSrc: ["'none'"] } } });
  await app.register(rateLimit, {
    max: REQUESTS,
    timeWindow: MINUTE,
    keyGenerator: (request) => networkOf(request.ip),
    errorResponseBuilder: () => new TooMany(),
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Postern', version: deps.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });

  app.addHook('onRoute', (route) => {
    if (route.config?.operation === undefined) throw new Error(`route ${route.url} names no operation`);
  });
  const failures = app.createRateLimit({ max: FAILURES, timeWindow: MINUTE });
  app.addHook('onRequest', async (request) => {
    const { operation } = request.routeOptions.config;
    if (operation === undefined || operation === 'public') return;
    try {
      request.agent = await principalCaller(deps.control, request);
      if (request.agent !== null) return requirePrincipals(operation);
      request.caller = await authenticate(deps.control, request, deps.publicUrl());
    } catch (error) {
      if (!showsCredential(request)) throw error;
      const limit = await failures(request);
      if (!limit.isAllowed && limit.isExceeded) throw new TooMany();
      throw error;
    }
    request.reach = reachOf(request.caller.person, operation);
    requireFresh(request.caller, operation);
  });
  app.addHook('onSend', async (_request, reply) => {
    // What may be kept says so itself.
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });

  const routes = [
    systemRoutes,
    setupRoutes,
    signInRoutes,
    loginPages,
    loginRoutes,
    oidcLoginRoutes,
    cliLoginRoutes,
    authenticatorRoutes,
    providerRoutes,
    directoryRoutes,
    scimRoutes,
    personRoutes,
    principalRoutes,
    resourceRoutes,
    reconciliationRoutes,
    unusedRightsRoutes,
    grantRoutes,
    policyRoutes,
    requestRoutes,
    rightSizingRoutes,
    reviewRoutes,
    reviewItemRoutes,
    alertRoutes,
    credentialRoutes,
    delegationRoutes,
    ownKeyRoutes,
    tokenRoutes,
    sessionRoutes,
    savedQueryRoutes,
    activityRoutes,
    logReviewRoutes,
    ledgerRoutes,
    logRoutes,
    evidenceRoutes,
    evidenceScheduleRoutes,
    frameworkRoutes,
    payloadRoutes,
    bindingRoutes,
    possessionRoutes,
    platformRoutes,
    joinRoutes,
    trustRoutes,
    maskRoutes,
    vaultRoutes,
    lifecycleRoutes,
    rehearsalRoutes,
    channelRoutes,
    linkRoutes,
    hookRoutes,
    decidePage,
    sinkRoutes,
  ];
  for (const register of routes) register(app, deps);
  await app.ready();
  return app as unknown as FastifyInstance;
}
