import { createHash } from 'node:crypto';
import { type Claims, claimHolds, claimsKept, claimText } from './claims.ts';
import { keyFor, readToken, signatureFits, type TokenKey } from './jws.ts';
import type { TokenProof } from './record.ts';

/**
 * OIDC tokens as a proof of who somebody is: JSON Web Tokens with an asymmetric signature of a known issuer. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519
 * @see https://www.rfc-editor.org/rfc/rfc8725
 * @see https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
 */

/** What a token must say to prove something. */
export interface TokenRule {
  /** Exactly as in `iss`. */
  readonly issuer: string;
  /** The one value of `aud`. */
  readonly audience: string;
  /** Further claims and their exact values, by name (`claims.ts`); at least one. */
  readonly claims: Readonly<Record<string, string>>;
  /** Claims that are lists, and a value that must be among theirs. */
  readonly contains?: Readonly<Record<string, string>>;
  /** Claims that are worth keeping besides. */
  readonly logged?: readonly string[];
}

/** What a token said whose signature was right. */
export interface VerifiedToken {
  /** In milliseconds. */
  readonly expiresAt: number;
  /** Tells the token again, however it was signed: issuer and `jti`, or what was signed. Hex SHA-256. */
  readonly use: string;
  readonly claims: Claims;
  /** As a record and a credential keep it. */
  readonly proof: TokenProof;
}

export type TokenResult<T> =
  | { readonly ok: true; readonly rule: T; readonly token: VerifiedToken }
  | {
      readonly ok: false;
      readonly why: string;
      /** The issuer that may have newer keys, with one for this token. */
      readonly unknownKeyOf?: string;
    };

/** How far an issuer's clock may be ahead, in seconds. `exp` is taken as it is. */
const AHEAD_SECONDS = 60;
/** A token that lives longer is a standing secret. Azure dates its tokens of a day back by some minutes. */
const MAX_LIFE_SECONDS = 86_400;
const DATED_BACK_SECONDS = 600;
const MAX_NAME = 500;

/**
 * Whether a token, now, says what one of the rules asks for.
 *
 * @param keysOf the keys of an issuer, as they were last fetched
 * @returns the rule; or why not, in words that hold nothing of a token whose signature was not right
 */
export function verifyToken<T extends TokenRule>(
  text: string,
  rules: readonly T[],
  keysOf: (issuer: string) => readonly TokenKey[],
  nowMs: number,
): TokenResult<T> {
  const no = (why: string): TokenResult<T> => ({ ok: false, why });
  const token = readToken(text);
  if (typeof token === 'string') return no(token);
  // A token that was made for something else: an access token, a logout, a proof of possession (RFC 8725, 3.11).
  if (token.typ !== null && token.typ !== 'jwt') return no('the token is of a type that proves nobody');
  const { claims } = token;
  const ofIssuer = rules.filter(({ issuer }) => issuer === claims.iss);
  const issuer = ofIssuer[0]?.issuer;
  if (issuer === undefined) return no('the token is of an issuer that this principal is not bound to');
  const known = keysOf(issuer);
  if (known.length === 0)
    return { ok: false, why: 'the keys of the issuer are not known yet', unknownKeyOf: issuer };
  const unfit = 'the signature of the token does not fit a key of the issuer';
  const key = keyFor(token, known);
  if (key === undefined) return { ok: false, why: unfit, unknownKeyOf: issuer };
  if (!signatureFits(token, key)) return no(unfit);
  // From here on the issuer itself speaks, and the reasons may be exact.
  const late = outsideItsTime(claims, nowMs);
  if (late !== null) return no(late);
  if (claims.events !== undefined) return no('the token tells of events and proves nobody');
  if (claims.cnf !== undefined) return no('the token is bound to a key, which was not shown with it');
  const ofAudience = ofIssuer.filter(({ audience }) => audienceIs(claims.aud, audience));
  if (ofAudience.length === 0)
    return no(
      Array.isArray(claims.aud) && claims.aud.length > 1
        ? 'the token is for several audiences'
        : 'the token is for another audience',
    );
  const rule = ofAudience.find((each) => saysAll(claims, each));
  if (rule === undefined) return no('the token does not say what the binding asks for');
  const jti = nameIn(claims.jti);
  const signed = jti === null ? token.signed : `${issuer}\n${jti}`;
  return {
    ok: true,
    rule,
    token: {
      expiresAt: Number(claims.exp) * 1000,
      use: createHash('sha256').update(signed).digest('hex'),
      claims,
      proof: {
        issuer,
        subject: nameIn(claims.sub),
        jti,
        sha256: createHash('sha256').update(text).digest('hex'),
        claims: claimsKept(claims, [
          ...Object.keys(rule.claims),
          ...Object.keys(rule.contains ?? {}),
          ...(rule.logged ?? []),
        ]),
      },
    },
  };
}

/** Why a token's own times do not let it prove anything now, or null. */
export function outsideItsTime({ exp, iat, nbf = iat }: Claims, nowMs: number): string | null {
  const now = nowMs / 1000;
  if (typeof exp !== 'number' || typeof iat !== 'number' || typeof nbf !== 'number')
    return 'the token does not say from when and until when it is valid';
  if (!(exp > now)) return 'the token has expired';
  if (!(iat <= now + AHEAD_SECONDS) || !(nbf <= now + AHEAD_SECONDS)) return 'the token is not valid yet';
  if (!(exp - iat <= MAX_LIFE_SECONDS + DATED_BACK_SECONDS)) return 'the token is valid for more than a day';
  return null;
}

/** One audience, and this one: who else a token is meant for could show it here. */
export function audienceIs(aud: unknown, wanted: string): boolean {
  return aud === wanted || (Array.isArray(aud) && aud.length === 1 && aud[0] === wanted);
}

function saysAll(claims: Claims, { claims: wanted, contains = {} }: TokenRule): boolean {
  const entries = Object.entries(wanted);
  return (
    entries.length > 0 &&
    entries.every(([name, value]) => claimText(claims, name) === value) &&
    Object.entries(contains).every(([name, value]) => claimHolds(claims, name, value))
  );
}

const nameIn = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= MAX_NAME ? value : null;
