/** Who sends a request: by what it shows with each request, or by the certificate that the client showed within TLS. */
import { hash, randomBytes, type X509Certificate } from 'node:crypto';
import type { Attempts } from '../../core/attempts.ts';
import { principalOfUri } from '../../core/client-uri.ts';
import { PosternError } from '../../core/errors.ts';
import type { TokenProof } from '../../core/record.ts';
import type { CredentialView, PrincipalView } from '../../core/views.ts';
import { provenByCertificate } from '../client-certificate.ts';
import type { Gateway } from '../contract.ts';
import { Refused, unusable } from '../door.ts';
import { addressOf } from '../grant-conditions.ts';
import { provenByText } from '../proven-by-text.ts';
import { type Headers, valuesOf } from './head.ts';

export interface Proven {
  readonly principal: PrincipalView;
  readonly credential: CredentialView;
  readonly proof?: TokenProof;
}

/** What a request claims. */
type Claim =
  | { readonly kind: 'text'; readonly name: string; readonly secret: string }
  | { readonly kind: 'certificate'; readonly name: string; readonly shown: X509Certificate };

const MAX_SECRET = 16_384;
/** How long it is remembered what a secret proved, in milliseconds. Whether that still holds is looked up each time. */
const REMEMBER_MS = 60_000;
const REMEMBERED = 10_000;

const HINT =
  'Send the principal and its credential as user and password (Authorization: Basic), or a token as Authorization: Bearer with the header Postern-Principal.';

export class Identifier {
  readonly #gateway: Gateway;
  readonly #attempts: Attempts;
  /** Without it nobody can tell from the marks, were they ever seen, what a secret is. */
  readonly #key = randomBytes(32).toString('base64');
  readonly #known = new Map<string, { readonly credential: string; readonly until: number }>();

  constructor(gateway: Gateway, attempts: Attempts) {
    this.#gateway = gateway;
    this.#attempts = attempts;
  }

  /**
   * Who it is; a promise only where that has to be computed.
   *
   * @param shown the certificate of the client, of which it has the key
   * @param source of the client, `address:port`
   * @throws PosternError; Refused where the principal is known
   */
  identify(headers: Headers, shown: X509Certificate | undefined, source: string): Proven | Promise<Proven> {
    const claim = claimOf(headers, shown);
    if (claim === null)
      throw new PosternError('POSTERN_AUTH_FAILED', 'the request does not say who sends it', HINT);
    const nowMs = Date.now();
    if (claim.kind === 'certificate')
      return this.#counted(claim.name, source, () =>
        provenByCertificate(this.#gateway, claim.shown, claim.name, nowMs),
      );
    const mark = hash('sha256', `${this.#key}${claim.name}\0${claim.secret}`, 'base64');
    const known = this.#known.get(mark);
    if (known !== undefined && known.until > nowMs) {
      const proven = this.#still(claim.name, known.credential, nowMs);
      if (proven !== null) return proven;
    }
    return this.#prove(claim.name, claim.secret, source, mark);
  }

  /** What was proven a moment ago, as the directory has it now. */
  #still(name: string, id: string, nowMs: number): Proven | null {
    const { directory } = this.#gateway;
    const principal = directory.principalByName(name);
    const credential = directory.credential(id);
    if (principal === undefined || credential === undefined || credential.principalId !== principal.id)
      return null;
    const why = unusable(principal, credential, nowMs);
    if (why !== null) throw new Refused(why.code, why.message, principal);
    return { principal, credential };
  }

  async #prove(name: string, secret: string, source: string, mark: string): Promise<Proven> {
    const proven: Proven = await this.#counted(name, source, () =>
      provenByText(this.#gateway, name, secret, Date.now()),
    );
    // A token has an end of its own: it is judged each time.
    if (proven.proof !== undefined) return proven;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(mark, { credential: proven.credential.id, until: Date.now() + REMEMBER_MS });
    return proven;
  }

  /** Who failed too often is not heard at all: nothing is looked up or compared. */
  #counted<T extends Proven | Promise<Proven>>(name: string, source: string, prove: () => T): T {
    const address = addressOf(source);
    if (!this.#attempts.heard(address, name, Date.now()))
      throw new PosternError(
        'POSTERN_TOO_MANY_REQUESTS',
        'too many attempts from this address, or for this name, have failed',
        'Wait a minute.',
      );
    const failed = (error: unknown): never => {
      if (error instanceof PosternError) this.#attempts.failed(address, name, Date.now());
      throw error;
    };
    const done = <R>(proven: R): R => {
      this.#attempts.proven(address, name, Date.now());
      return proven;
    };
    try {
      const proven = prove();
      return (proven instanceof Promise ? proven.then(done, failed) : done(proven)) as T;
    } catch (error) {
      return failed(error);
    }
  }
}

/** What a request shows; null where it shows nothing that can be read. `Proxy-Authorization` comes first: it is for who stands between. */
function claimOf(headers: Headers, shown: X509Certificate | undefined): Claim | null {
  const [named] = valuesOf(headers, 'postern-principal');
  const value = valuesOf(headers, 'proxy-authorization')[0] ?? valuesOf(headers, 'authorization')[0];
  if (value === undefined) {
    if (shown === undefined) return null;
    const name = named ?? principalOfUri(shown.subjectAltName ?? '');
    return name === null ? null : { kind: 'certificate', name, shown };
  }
  if (value.length > MAX_SECRET) return null;
  const [, scheme = '', text = ''] = /^(\S+) +(\S+)$/.exec(value) ?? [];
  if (scheme.toLowerCase() === 'bearer') {
    return named === undefined ? null : { kind: 'text', name: named, secret: text };
  }
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  const pair = Buffer.from(text, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const name = pair.slice(0, colon);
  // Two names are one too many.
  if (colon < 1 || (named !== undefined && named !== name)) return null;
  return { kind: 'text', name, secret: pair.slice(colon + 1) };
}
