/** Speaks to OpenID providers. What the standards ask of a client is done by openid-client; here is what Postern asks for. */
import { rootCertificates } from 'node:tls';
import * as client from 'openid-client';
import { PosternError } from '../core/errors.ts';
import type { IdentityProvider } from '../store/entities.ts';
import { boundedFetch } from './bounded-fetch.ts';
import type { IdentityProviders } from './identity-providers.ts';

/** A provider's description of itself is asked for again after so long. */
const DISCOVERY_MS = 10 * 60_000;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** What is kept between the start of a login and its end. */
export interface OidcAttempt {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Whether the person has to show anew who they are, within so many seconds. */
  readonly maxAge: number | null;
}

/** What a provider says of somebody, in an ID token whose signature, issuer, audience, times and nonce were checked. */
export interface OidcClaims {
  readonly issuer: string;
  readonly subject: string;
  /** Only where the provider says that it has verified it. */
  readonly email: string | null;
  readonly name: string | null;
  readonly groups: readonly string[];
  /** When the person showed the provider who they are, in ms; null where it does not say. */
  readonly authenticatedAt: number | null;
}

export interface DeviceStart {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  readonly expiresIn: number;
  readonly interval: number;
}

interface Known {
  readonly config: client.Configuration;
  readonly at: number;
  /** What it was made of. */
  readonly from: string;
}

export class OidcClient {
  readonly #providers: Pick<IdentityProviders, 'secretOf'>;
  readonly #known = new Map<string, Known>();

  constructor(providers: Pick<IdentityProviders, 'secretOf'>) {
    this.#providers = providers;
  }

  /**
   * Begins a login in a browser: authorization code with PKCE, state and nonce.
   *
   * @param maxAge the person must show anew who they are; seconds
   * @see https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
   */
  async begin(
    provider: IdentityProvider,
    redirectUri: string,
    maxAge: number | null,
  ): Promise<{ readonly url: string; readonly attempt: OidcAttempt }> {
    const config = await this.#config(provider);
    const attempt: OidcAttempt = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      maxAge,
    };
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: provider.scopes.join(' '),
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
      ...(maxAge !== null && { max_age: String(maxAge), prompt: 'login' }),
    });
    return { url: url.href, attempt };
  }

  /**
   * Ends a login in a browser.
   *
   * @param answer the address at which the browser came back, built on the address of this installation
   * @throws PosternError POSTERN_UNAUTHORIZED when anything about the answer is not as it must be
   */
  async finish(provider: IdentityProvider, answer: URL, attempt: OidcAttempt): Promise<OidcClaims> {
    const config = await this.#config(provider);
    const tokens = await refusing(provider, () =>
      client.authorizationCodeGrant(config, answer, {
        pkceCodeVerifier: attempt.verifier,
        expectedState: attempt.state,
        expectedNonce: attempt.nonce,
        idTokenExpected: true,
        ...(attempt.maxAge !== null && { maxAge: attempt.maxAge }),
      }),
    );
    return claimsOf(provider, tokens.claims());
  }

  /** Whether the provider has the device flow. */
  async hasDeviceFlow(provider: IdentityProvider): Promise<boolean> {
    return (await this.#config(provider)).serverMetadata().device_authorization_endpoint !== undefined;
  }

  /** @see https://www.rfc-editor.org/rfc/rfc8628#section-3.1 */
  async beginDevice(provider: IdentityProvider): Promise<DeviceStart> {
    const config = await this.#config(provider);
    const begun = await refusing(provider, () =>
      client.initiateDeviceAuthorization(config, { scope: provider.scopes.join(' ') }),
    );
    return {
      deviceCode: begun.device_code,
      userCode: begun.user_code,
      verificationUri: begun.verification_uri,
      verificationUriComplete: begun.verification_uri_complete ?? null,
      expiresIn: Math.min(begun.expires_in, 1800),
      interval: begun.interval ?? 5,
    };
  }

  /**
   * Asks once whether the person has agreed.
   *
   * @returns null while they have not; `slower` when the provider wants to be asked less often
   * @throws PosternError POSTERN_UNAUTHORIZED when they declined, or it took too long
   * @see https://www.rfc-editor.org/rfc/rfc8628#section-3.5
   */
  async pollDevice(provider: IdentityProvider, deviceCode: string): Promise<OidcClaims | null | 'slower'> {
    const config = await this.#config(provider);
    try {
      const tokens = await client.genericGrantRequest(config, DEVICE_GRANT, { device_code: deviceCode });
      return claimsOf(provider, tokens.claims());
    } catch (error) {
      if (error instanceof client.ResponseBodyError) {
        if (error.error === 'authorization_pending') return null;
        if (error.error === 'slow_down') return 'slower';
      }
      throw asRefusal(provider, error);
    }
  }

  async #config(provider: IdentityProvider): Promise<client.Configuration> {
    const from = JSON.stringify(provider);
    const known = this.#known.get(provider.id);
    if (known?.from === from && Date.now() - known.at < DISCOVERY_MS) return known.config;
    const secret = await this.#providers.secretOf(provider);
    const fetch = boundedFetch(provider.ca, rootCertificates);
    try {
      const server = await client.discovery(
        new URL(provider.issuer),
        provider.clientId,
        undefined,
        undefined,
        {
          [client.customFetch]: fetch,
          timeout: 10,
        },
      );
      const metadata = server.serverMetadata();
      const config = new client.Configuration(metadata, provider.clientId, {}, clientAuth(metadata, secret));
      config[client.customFetch] = fetch;
      config.timeout = 10;
      // The token comes over TLS from the provider; that its signature is good as well costs little.
      client.enableNonRepudiationChecks(config);
      this.#known.set(provider.id, { config, at: Date.now(), from });
      return config;
    } catch (error) {
      throw new PosternError(
        'POSTERN_UPSTREAM_UNAVAILABLE',
        `The identity provider ${provider.name} cannot be used: ${(error as Error).message}.`,
        'Is it up, is its issuer written as it writes it, and is its certificate of an authority that is trusted?',
      );
    }
  }
}

/** @see https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication */
function clientAuth(server: client.ServerMetadata, secret: string | null): client.ClientAuth {
  if (secret === null) return client.None();
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  return methods.includes('client_secret_basic')
    ? client.ClientSecretBasic(secret)
    : client.ClientSecretPost(secret);
}

const LONGEST_SUBJECT = 255;
const MOST_GROUPS = 1000;

function claimsOf(provider: IdentityProvider, claims: client.IDToken | undefined): OidcClaims {
  if (claims === undefined || claims.iss !== provider.issuer || !/^[\x20-\x7e]+$/.test(claims.sub)) {
    throw asRefusal(provider, new Error('it gave no ID token of its own'));
  }
  if (claims.sub.length > LONGEST_SUBJECT) throw asRefusal(provider, new Error('the subject is too long'));
  const { email, name, auth_time: authTime } = claims;
  const groups = provider.groups === null ? [] : claims[provider.groups.claim];
  return {
    issuer: claims.iss,
    subject: claims.sub,
    email: typeof email === 'string' && claims.email_verified === true ? email.toLowerCase() : null,
    name: typeof name === 'string' ? name : null,
    groups: Array.isArray(groups)
      ? groups.filter((group): group is string => typeof group === 'string').slice(0, MOST_GROUPS)
      : [],
    authenticatedAt: typeof authTime === 'number' ? authTime * 1000 : null,
  };
}

async function refusing<T>(provider: IdentityProvider, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw asRefusal(provider, error);
  }
}

/** The words of the provider are shown to nobody: they are made by whoever sent the browser here. */
function asRefusal(provider: IdentityProvider, error: unknown): PosternError {
  const cause =
    error instanceof client.ClientError ? (error.code ?? error.message) : (error as Error).message;
  const plain = error instanceof client.AuthorizationResponseError ? 'the provider refused' : cause;
  return new PosternError(
    'POSTERN_UNAUTHORIZED',
    `The login through ${provider.name} failed: ${plain}.`,
    'Begin anew.',
  );
}
