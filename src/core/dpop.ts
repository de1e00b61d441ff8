/**
 * Proof of possession of a key in an HTTP request (DPoP). Pure: replays are the caller's to find.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-4.3
 */
import { createHash } from 'node:crypto';
import { isObject, readToken, signatureFits, tokenKeys } from './jws.ts';
import { jwkThumbprint } from './sign-jws.ts';

const MAX_JTI = 256;
/** How old a proof may be, and how far the client's clock may be ahead, in seconds. */
export const DPOP_SECONDS = 60;

/** Members of a JWK that only a private or a shared key has. */
const SECRET = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

export interface DpopRequest {
  readonly method: string;
  /** Of the request, without query and fragment. */
  readonly url: string;
  /** The access token that comes with the proof, where one does. */
  readonly accessToken?: string;
  readonly nowMs: number;
}

export type DpopResult =
  | { readonly ok: true; readonly jkt: string; readonly jti: string; readonly iatMs: number }
  | { readonly ok: false; readonly why: string };

/** What the header field `DPoP` of a request proves. */
export function verifyDpop(proof: string, request: DpopRequest): DpopResult {
  const no = (why: string): DpopResult => ({ ok: false, why });
  const read = readToken(proof);
  if (typeof read === 'string') return no('the DPoP proof is malformed');
  if (read.typ !== 'dpop+jwt') return no('the DPoP proof is of another type');
  const { jwk } = read.header;
  if (!isObject(jwk) || SECRET.some((name) => Object.hasOwn(jwk, name)))
    return no('the DPoP proof has no public key, or shows a private one');
  const [key] = tokenKeys({ keys: [jwk] });
  const jkt = jwkThumbprint(jwk);
  if (jkt === null || key === undefined || !signatureFits(read, key))
    return no('the DPoP proof is not signed with the key that it shows');
  const { htm, htu, jti, iat, ath } = read.claims;
  if (htm !== request.method) return no('the DPoP proof is for another method');
  if (typeof htu !== 'string' || plainUrl(htu) !== plainUrl(request.url))
    return no(`the DPoP proof is for another address than ${request.url}`);
  if (typeof jti !== 'string' || jti.length < 8 || jti.length > MAX_JTI)
    return no('the DPoP proof has no fit jti');
  if (typeof iat !== 'number' || !(Math.abs(request.nowMs / 1000 - iat) <= DPOP_SECONDS))
    return no('the DPoP proof was not made now');
  if (request.accessToken !== undefined) {
    const hash = createHash('sha256').update(request.accessToken).digest('base64url');
    if (ath !== hash) return no('the DPoP proof is for another access token');
  }
  return { ok: true, jkt, jti, iatMs: iat * 1000 };
}

/** A URL in one spelling, without query and fragment; the text itself where it is none. */
function plainUrl(text: string): string {
  if (!URL.canParse(text)) return text;
  const { protocol, host, pathname, username, password } = new URL(text);
  return username === '' && password === '' ? `${protocol}//${host}${pathname}` : text;
}
