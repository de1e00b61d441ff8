import { createHash } from 'node:crypto';
import { keyFor, readToken, signatureFits, type TokenKey } from './jws.ts';
import type { TokenProof } from './record.ts';
import { parseSpiffeId } from './spiffe.ts';

/** How far the clock of who issued it may be ahead, in seconds. `exp` is taken as it is. */
const AHEAD_SECONDS = 60;
const MAX_LIFE_SECONDS = 86_400;

/** What a JWT-SVID must say to prove something. */
export interface SvidRule {
  readonly spiffeId: string;
  /** The one value of `aud`; null: none is taken. */
  readonly audience: string | null;
}

export type JwtSvidResult<T> =
  | {
      readonly ok: true;
      readonly rule: T;
      readonly proof: TokenProof;
      readonly use: string;
      readonly expiresAt: number;
    }
  | { readonly ok: false; readonly why: string };

/**
 * Whether a JWT-SVID, now, is of the SPIFFE ID of one of the rules. The keys are those of the trust domain that it names itself.
 *
 * @param keysOf a trust domain; none where it is not trusted
 * @returns the rule, with when the token ends in milliseconds; or why not, in words that hold nothing of a token whose signature
 *   was not right
 * @see https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
 */
export function verifyJwtSvid<T extends SvidRule>(
  text: string,
  rules: readonly T[],
  keysOf: (trustDomain: string) => readonly TokenKey[],
  nowMs: number,
): JwtSvidResult<T> {
  const no = (why: string): JwtSvidResult<T> => ({ ok: false, why });
  const token = readToken(text);
  if (typeof token === 'string') return no(token);
  if (token.typ !== null && token.typ !== 'jwt' && token.typ !== 'jose')
    return no('the token is of a type that proves nobody');
  const { sub, aud, exp, iat = 0, nbf = 0 } = token.claims;
  const id = typeof sub === 'string' ? parseSpiffeId(sub) : null;
  if (id === null || id.path === '') return no('the token is no SVID of a workload');
  const key = keyFor(token, keysOf(id.trustDomain));
  if (key === undefined || !signatureFits(token, key))
    return no('the signature of the token does not fit a key of a trust domain that is trusted here');
  const now = nowMs / 1000;
  if (typeof exp !== 'number' || typeof iat !== 'number' || typeof nbf !== 'number')
    return no('the token does not say until when it is valid');
  if (!(exp > now)) return no('the token has expired');
  if (!(iat <= now + AHEAD_SECONDS) || !(nbf <= now + AHEAD_SECONDS)) return no('the token is not valid yet');
  if (!(exp <= now + MAX_LIFE_SECONDS)) return no('the token is valid for more than a day');
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const mine = rules.filter(({ spiffeId }) => spiffeId === sub);
  if (mine.length === 0) return no('the token is of a SPIFFE ID that this principal is not bound to');
  const rule = mine.find(
    ({ audience }) => audience !== null && audiences.length === 1 && audiences[0] === audience,
  );
  if (rule === undefined) return no('the token is for another audience, or for several');
  const { jti } = token.claims;
  const own = typeof jti === 'string' && jti !== '' && jti.length <= 500 ? jti : null;
  const use = own === null ? token.signed : `${id.trustDomain}\n${own}`;
  return {
    ok: true,
    rule,
    expiresAt: exp * 1000,
    use: createHash('sha256').update(use).digest('hex'),
    proof: {
      issuer: `spiffe://${id.trustDomain}`,
      subject: rule.spiffeId,
      jti: own,
      sha256: createHash('sha256').update(text).digest('hex'),
      claims: {},
    },
  };
}

/** Whether a token says that it is an SVID. */
export function claimsSpiffeId(text: string): boolean {
  const token = readToken(text);
  return typeof token !== 'string' && String(token.claims.sub).startsWith('spiffe://');
}
