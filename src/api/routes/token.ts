import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { INTERMEDIATES_MAX } from '../../core/certificate-path.ts';
import { x5tS256 } from '../../identity/access-tokens.ts';
import type { Made } from '../../identity/native-forms.ts';
import { TOKEN_TYPES } from '../../identity/proof.ts';
import type { ApiDeps } from '../deps.ts';
import { parseForm } from '../form.ts';
import { OAuthError, oauthAnswer } from '../oauth-error.ts';
import type { Api } from '../route.ts';
import {
  GRANT_TYPES,
  REQUESTED_TYPES,
  type TokenContext,
  type TokenRequest,
  tokenRequest,
} from '../token-request.ts';

const PATH = '/v1/token';
/** Two tokens of 16 KiB, a certificate request, and what encoding adds. */
const BODY_MAX = 98_304;
const PER_MINUTE = 600;

/**
 * The token endpoint, and what tells clients of it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-3.2
 * @see https://www.rfc-editor.org/rfc/rfc8693
 */
export function tokenRoutes(app: Api, deps: ApiDeps): void {
  const { own, exchange } = deps.control;

  app.register(async (scope) => {
    const type = 'application/x-www-form-urlencoded';
    // Nothing else is read here: a text would be taken for a form.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(type, { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.post(
      PATH,
      {
        config: { operation: 'public', rateLimit: { max: PER_MINUTE, timeWindow: 60_000 } },
        bodyLimit: BODY_MAX,
        schema: { hide: true },
      },
      async (request, reply) => {
        let client = false;
        try {
          if (typeof request.body !== 'string')
            throw new OAuthError('invalid_request', `The parameters come as ${type}.`);
          const form = parseForm(request.body);
          client = form.get('grant_type') === 'client_credentials';
          const wanted = tokenRequest(form, contextOf(deps, request));
          const made = await exchange.issue(wanted.exchange);
          return answered(reply, { ...tokenAnswer(wanted, made), ...connectionOf(deps, made) });
        } catch (error) {
          const refused = oauthAnswer(error, client);
          if (refused === null) throw error;
          if (refused.status === 429) void reply.header('retry-after', '60');
          if (refused.status === 401) void reply.header('www-authenticate', 'Bearer realm="postern"');
          return answered(reply.status(refused.status), refused.body);
        }
      },
    );
  });

  const metadata = (): object => {
    const issuer = own.issuer();
    return {
      issuer,
      token_endpoint: `${issuer}${PATH}`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      grant_types_supported: GRANT_TYPES,
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['none', 'private_key_jwt', 'tls_client_auth'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'EdDSA'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
      tls_client_certificate_bound_access_tokens: true,
      id_token_signing_alg_values_supported: ['ES256'],
      subject_types_supported: ['public'],
      postern_requested_token_types_supported: Object.keys(REQUESTED_TYPES),
      postern_subject_token_types_supported: Object.values(TOKEN_TYPES),
    };
  };
  // The one of OpenID Connect, for verifiers of tokens that know no other; and the one of OAuth.
  for (const name of ['openid-configuration', 'oauth-authorization-server']) {
    app.get(
      `/.well-known/${name}`,
      { config: { operation: 'public' }, schema: { hide: true } },
      async (_, reply) => reply.header('cache-control', 'public, max-age=300').send(metadata()),
    );
  }
  app.get(
    '/.well-known/jwks.json',
    { config: { operation: 'public' }, schema: { hide: true } },
    async (_, reply) => reply.header('cache-control', 'public, max-age=300').send(own.jwks()),
  );
}

/** What a request proves beside its tokens. */
function contextOf(deps: ApiDeps, request: FastifyRequest): TokenContext {
  const clientCertificate = shownCertificate(request);
  const proof = request.headers.dpop;
  let jkt: string | null = null;
  if (proof !== undefined) {
    if (typeof proof !== 'string') throw new OAuthError('invalid_dpop_proof', 'There is one DPoP proof.');
    try {
      jkt = deps.control.own.dpopKey(proof, 'POST', PATH);
    } catch (error) {
      throw new OAuthError('invalid_dpop_proof', (error as Error).message);
    }
  }
  return {
    source: request.ip,
    clientCertificate,
    clientChain: shownCertificates(request).slice(1),
    jkt,
    x5tS256: clientCertificate === null ? null : x5tS256(clientCertificate),
  };
}

/** DER of the certificate that the client showed within TLS; null where it showed none. */
export const shownCertificate = (request: FastifyRequest): Buffer | null =>
  shownCertificates(request)[0] ?? null;

/** What clients showed, by connection: Node hands out what came beside the first certificate only once. */
const shownBy = new WeakMap<TLSSocket, readonly Buffer[]>();

/** The client's certificate, and what it sent beside it. */
function shownCertificates(request: FastifyRequest): readonly Buffer[] {
  const socket = request.raw.socket as TLSSocket;
  const known = shownBy.get(socket);
  if (known !== undefined) return known;
  const shown: Buffer[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && shown.length <= INTERMEDIATES_MAX) {
    shown.push(next.raw);
    next = next.issuerCertificate;
  }
  shownBy.set(socket, shown);
  return shown;
}

function tokenAnswer({ issuedType }: TokenRequest, { credential, text }: Made): object {
  const { kind, confirmation } = credential;
  const bearer = confirmation?.jkt === undefined ? 'Bearer' : 'DPoP';
  const left = Math.floor((Date.parse(credential.expiresAt) - Date.now()) / 1000);
  return {
    access_token: text,
    issued_token_type: issuedType,
    token_type: kind === 'jwt' ? bearer : 'N_A',
    expires_in: Math.max(0, left),
    ...(credential.grant !== null && { scope: `grant:${credential.grant}` }),
  };
}

/** Who the client is, and where it goes from here. */
function connectionOf(deps: ApiDeps, { credential }: Made): object {
  const { host, port } = deps.addresses().postgres;
  return {
    username: credential.principal.name,
    credential: credential.id,
    expires_at: credential.expiresAt,
    connection: { host, port, ca: deps.tls.caPem },
  };
}

/** @see https://www.rfc-editor.org/rfc/rfc6749#section-5.1 */
function answered(reply: FastifyReply, body: object): FastifyReply {
  return reply.header('cache-control', 'no-store').header('pragma', 'no-cache').send(body);
}
