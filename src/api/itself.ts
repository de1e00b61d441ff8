/** What a principal may do by itself, with a bearer token of Postern's own: for itself, and nobody else. */
import type { Circumstances } from '../access/requests.ts';
import type { PrincipalCaller } from '../identity/access-tokens.ts';
import { forbidden } from './rights.ts';

/** @throws PosternError POSTERN_FORBIDDEN */
export function requireItself({ principal }: PrincipalCaller, principalId: string): void {
  if (principal.id !== principalId) throw forbidden(`${principal.name} acts for itself alone.`);
}

/** @param address of the client */
export function circumstancesOf({ credential }: PrincipalCaller, address: string): Circumstances {
  return {
    source: address,
    claims: credential.exchange?.claims ?? {},
    delegation: credential.delegation,
  };
}
