import { timingSafeEqual } from 'node:crypto';
import { type TokenResult, verifyToken } from '../core/jwt.ts';
import { claimsSpiffeId, verifyJwtSvid } from '../core/jwt-svid.ts';
import type { TokenProof } from '../core/record.ts';
import { scramKeys, scramSalt } from '../core/scram.ts';
import {
  type CredentialView,
  SCRAM_ITERATIONS,
  type SpiffeBindingView,
  type TokenBindingView,
} from '../core/views.ts';
import type { Gateway } from './contract.ts';
import { Refused, unusable } from './door.ts';

/** A JSON object in base64url: no issued password begins so. */
const LOOKS_LIKE_TOKEN = /^ey[\w-]*\./;

/**
 * What a password proves that came within TLS as it is: a token of an issuer that the principal is bound to, a JWT-SVID, or an issued
 * password.
 *
 * @throws Refused
 */
export async function provenByText(gateway: Gateway, name: string, secret: string, nowMs: number) {
  const { directory } = gateway;
  const principal = directory.principalByName(name);
  const refused = (why = ''): Refused =>
    new Refused('POSTERN_AUTH_FAILED', `authentication failed for "${name}"${why}`, principal);
  if (principal === undefined) throw refused();
  const held = directory.credentialsOf(principal.id);
  let credential: CredentialView | undefined;
  let proof: TokenProof | undefined;
  if (LOOKS_LIKE_TOKEN.test(secret) && isSvid(held, secret)) {
    const result = verifyJwtSvid(secret, svidsIn(held), (domain) => directory.trust.tokenKeys(domain), nowMs);
    if (!result.ok) throw refused(`: ${result.why}`);
    credential = result.rule;
    proof = result.proof;
  } else if (LOOKS_LIKE_TOKEN.test(secret)) {
    const verified = (): TokenResult<TokenBindingView> =>
      verifyToken(
        secret,
        bindingsIn(directory.credentialsOf(principal.id)),
        (issuer) => directory.tokenKeys(issuer),
        nowMs,
      );
    let result = verified();
    if (!result.ok && result.unknownKeyOf !== undefined) {
      // The issuer may have a new key. Strangers can get this far: the control process asks no issuer often.
      await gateway.askKeys(result.unknownKeyOf);
      result = verified();
    }
    if (!result.ok) throw refused(`: ${result.why}`);
    credential = result.rule;
    proof = result.token.proof;
  } else {
    const keys = await scramKeys(secret, scramSalt(gateway.scramSecret, name), SCRAM_ITERATIONS);
    credential = held.find(
      (each) =>
        each.kind === 'password' && timingSafeEqual(Buffer.from(each.storedKey, 'base64'), keys.storedKey),
    );
    if (credential === undefined) throw refused();
  }
  // It may have been changed while an issuer was asked.
  const why = unusable(directory.principal(principal.id) ?? principal, credential, nowMs);
  if (why !== null) throw new Refused(why.code, why.message, principal);
  return { principal, credential, ...(proof && { proof }) };
}

/** Whether the principal of that name proves itself by tokens, so that it must be asked for a password as it is. */
export function hasBinding(gateway: Gateway, name: string): boolean {
  const principal = gateway.directory.principalByName(name);
  const held = principal === undefined ? [] : gateway.directory.credentialsOf(principal.id);
  return bindingsIn(held).length + svidsIn(held).length > 0;
}

/** Whether it is to be judged as an SVID: a trust domain may be an OIDC issuer too, and then its name decides. */
function isSvid(held: readonly CredentialView[], secret: string): boolean {
  return svidsIn(held).length > 0 && (bindingsIn(held).length === 0 || claimsSpiffeId(secret));
}

function svidsIn(credentials: readonly CredentialView[]): SpiffeBindingView[] {
  return credentials
    .filter((each) => each.kind === 'spiffe')
    .filter(({ status, audience }) => status === 'active' && audience !== null);
}

function bindingsIn(credentials: readonly CredentialView[]): TokenBindingView[] {
  return credentials.filter((each) => each.kind === 'oidc').filter(({ status }) => status === 'active');
}
