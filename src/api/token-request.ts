/**
 * What is asked for at the token endpoint. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8693#section-2.1
 * @see https://www.rfc-editor.org/rfc/rfc7523#section-2.2
 */
import { isIP } from 'node:net';
import type { ExchangeRequest } from '../identity/exchange.ts';
import type { Form } from '../identity/native-forms.ts';
import { type Shown, TOKEN_TYPES } from '../identity/proof.ts';
import { OAuthError } from './oauth-error.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const GRANT_TYPES = [EXCHANGE, 'client_credentials'] as const;

/** Forms of credentials, by the type that is asked for. */
export const REQUESTED_TYPES = {
  'urn:postern:token-type:scram-password': 'password',
  'urn:postern:token-type:x509-certificate': 'certificate',
  'urn:postern:token-type:ssh-certificate': 'ssh',
  'urn:ietf:params:oauth:token-type:access_token': 'jwt',
  'urn:ietf:params:oauth:token-type:jwt': 'jwt',
} as const satisfies Record<string, Form['kind']>;
type RequestedType = keyof typeof REQUESTED_TYPES;

const KNOWN: ReadonlySet<string> = new Set([
  ...['grant_type', 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'],
  ...['audience', 'resource', 'scope', 'requested_token_type', 'client_id'],
  ...['client_assertion', 'client_assertion_type', 'csr', 'ssh_public_key', 'source_address', 'lifetime'],
]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const SOURCES_MAX = 16;

/** What came with the connection and the header. */
export interface TokenContext {
  readonly source: string;
  readonly clientCertificate: Buffer | null;
  readonly clientChain: readonly Buffer[];
  readonly jkt: string | null;
  /** Of that certificate. */
  readonly x5tS256: string | null;
}

export interface TokenRequest {
  readonly exchange: ExchangeRequest;
  readonly issuedType: RequestedType;
  /** Whether the client proves itself, and brings no token of another party. */
  readonly client: boolean;
}

/** @throws OAuthError */
export function tokenRequest(form: ReadonlyMap<string, string>, context: TokenContext): TokenRequest {
  // RFC 6749 has unrecognised parameters ignored; one that was misspelt would be a wider credential than was meant.
  for (const name of form.keys())
    if (!KNOWN.has(name))
      throw new OAuthError('invalid_request', `There is no parameter ${JSON.stringify(name.slice(0, 60))}.`);
  const grantType = form.get('grant_type');
  if (grantType === undefined) throw new OAuthError('invalid_request', 'grant_type is missing.');
  const client = grantType === 'client_credentials';
  if (!client && grantType !== EXCHANGE)
    throw new OAuthError('unsupported_grant_type', `The grant types are ${GRANT_TYPES.join(' and ')}.`);
  const issuedType = requestedType(form.get('requested_token_type'));
  const grant = grantIn(form.get('scope'));
  const resource = targetIn(form);
  const ttlSeconds = lifetimeIn(form.get('lifetime'));
  const name = form.get('client_id') ?? null;
  return {
    issuedType,
    client,
    exchange: {
      subject: client ? clientProof(form, context) : tokenIn(form, 'subject_token', context),
      actor: form.has('actor_token') ? actorIn(form, client, context) : null,
      form: credentialForm(REQUESTED_TYPES[issuedType], form, context),
      name: name === null ? null : name.slice(0, 100),
      ...(resource !== undefined && { resource }),
      ...(grant !== undefined && { grant }),
      ...(ttlSeconds !== undefined && { ttlSeconds }),
    },
  };
}

function requestedType(asked: string | undefined): RequestedType {
  const type = asked ?? 'urn:ietf:params:oauth:token-type:access_token';
  if (Object.hasOwn(REQUESTED_TYPES, type)) return type as RequestedType;
  throw new OAuthError(
    'invalid_request',
    `requested_token_type is one of ${Object.keys(REQUESTED_TYPES).join(', ')}.`,
  );
}

function shown(type: string, token: string, context: TokenContext): Shown {
  const { source, clientCertificate, clientChain, jkt } = context;
  return {
    type,
    token,
    source,
    ...(clientCertificate && { clientCertificate, clientChain }),
    ...(jkt !== null && { jkt }),
  };
}

function tokenIn(
  form: ReadonlyMap<string, string>,
  name: 'subject_token' | 'actor_token',
  context: TokenContext,
): Shown {
  const type = form.get(`${name}_type`);
  const token = form.get(name);
  if (type === undefined) throw new OAuthError('invalid_request', `${name}_type is missing.`);
  // What a connection proves needs no text; a text for it would be one that nobody looks at.
  if ((token === undefined) !== (type === TOKEN_TYPES.clientCertificate))
    throw new OAuthError('invalid_request', `${name} does not go with its ${name}_type.`);
  return shown(type, token ?? '', context);
}

function actorIn(form: ReadonlyMap<string, string>, client: boolean, context: TokenContext): Shown {
  if (client) throw new OAuthError('invalid_request', 'actor_token goes with a token exchange.');
  return tokenIn(form, 'actor_token', context);
}

function clientProof(form: ReadonlyMap<string, string>, context: TokenContext): Shown {
  if (form.has('subject_token'))
    throw new OAuthError('invalid_request', 'subject_token goes with a token exchange.');
  const type = form.get('client_assertion_type');
  const assertion = form.get('client_assertion');
  if (type === undefined && assertion === undefined) {
    if (context.clientCertificate === null)
      throw new OAuthError('invalid_client', 'The client shows neither an assertion nor a certificate.');
    return shown(TOKEN_TYPES.clientCertificate, '', context);
  }
  if (type !== TOKEN_TYPES.keyAssertion || assertion === undefined)
    throw new OAuthError(
      'invalid_request',
      `client_assertion comes with the type ${TOKEN_TYPES.keyAssertion}.`,
    );
  return shown(type, assertion, context);
}

function credentialForm(
  kind: Form['kind'],
  form: ReadonlyMap<string, string>,
  { jkt, x5tS256 }: TokenContext,
): Form {
  const only = (name: string, of: Form['kind']): void => {
    if (form.has(name) !== (kind === of) && (form.has(name) || name !== 'source_address'))
      throw new OAuthError(
        'invalid_request',
        `${name} goes with the type of a ${of} credential, and only with it.`,
      );
  };
  only('csr', 'certificate');
  only('ssh_public_key', 'ssh');
  only('source_address', 'ssh');
  switch (kind) {
    case 'password':
      return { kind };
    case 'certificate':
      return { kind, csr: form.get('csr') ?? '' };
    case 'ssh':
      return {
        kind,
        publicKey: form.get('ssh_public_key') ?? '',
        sources: sourcesIn(form.get('source_address')),
      };
    case 'jwt':
      if (jkt !== null) return { kind, confirmation: { jkt } };
      return { kind, confirmation: x5tS256 === null ? null : { x5tS256 } };
  }
}

function grantIn(scope: string | undefined): string | undefined {
  if (scope === undefined) return undefined;
  const id = scope.startsWith('grant:') ? scope.slice('grant:'.length) : '';
  if (!UUID.test(id)) throw new OAuthError('invalid_scope', 'The scope is grant:ID, the id of one grant.');
  return id;
}

/** Name or id of a resource, by `audience`, or by `resource` as the URI of one. */
function targetIn(form: ReadonlyMap<string, string>): string | undefined {
  const audience = form.get('audience');
  const resource = form.get('resource');
  if (audience !== undefined && resource !== undefined)
    throw new OAuthError('invalid_target', 'One resource is named, by audience or by resource.');
  if (resource === undefined) return audience;
  const match = /^postern:\/\/resource\/([a-z0-9._-]{1,63})$/.exec(resource);
  if (match === null) throw new OAuthError('invalid_target', 'resource is postern://resource/NAME.');
  return match[1];
}

function lifetimeIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new OAuthError('invalid_request', 'lifetime is a number of seconds.');
  return Number(text);
}

function sourcesIn(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const sources = text.split(',');
  const good = (each: string): boolean => {
    const [address = '', bits, ...more] = each.split('/');
    const version = isIP(address);
    if (version === 0 || address.includes('%') || more.length > 0) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
  };
  if (sources.length > SOURCES_MAX || !sources.every(good))
    throw new OAuthError(
      'invalid_request',
      'source_address is a list of at most 16 networks, as 192.0.2.0/24,2001:db8::/32.',
    );
  return sources;
}
