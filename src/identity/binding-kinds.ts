/** What each kind of binding asks for, checked: one function per kind, and whether two of them could be proven by one thing. */
import { PosternError } from '../core/errors.ts';
import type { Binding, BindingOf } from '../store/entities.ts';
import { checkText } from './input.ts';
import { checkIssuer } from './issuers.ts';

const CLAIMS_MAX = 16;
/** What is checked anyway, and not by equality. */
const RESERVED: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'iat', 'nbf']);

/** What is asked for, as it came. */
export interface OidcInput {
  readonly kind: 'oidc';
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, string>>;
}

/** What is particular to the bindings of a kind. */
export type DetailsOf<K extends Binding['kind']> = K extends K
  ? Omit<BindingOf<K>, 'id' | 'principal' | 'status' | 'endReason' | 'endedAt' | 'createdAt'>
  : never;

/** @throws PosternError POSTERN_INVALID */
export function checkOidc(input: OidcInput): DetailsOf<'oidc'> {
  return {
    kind: 'oidc',
    issuer: checkIssuer(checkText(input.issuer, 'issuer', 500)),
    audience: checkText(input.audience, 'audience', 500),
    claims: checkClaims(input.claims),
  };
}

/** Whether one thing that is shown could prove both. */
export function overlaps(a: Binding, b: DetailsOf<Binding['kind']>): boolean {
  if (a.kind === 'oidc' && b.kind === 'oidc')
    return a.issuer === b.issuer && a.audience === b.audience && bothSay(a.claims, b.claims);
  return false;
}

/** Whether one token could say both: no claim of both has two values. */
function bothSay(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return Object.entries(a).every(([name, value]) => b[name] === undefined || b[name] === value);
}

function checkClaims(claims: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(claims);
  if (entries.length === 0)
    throw new PosternError(
      'POSTERN_INVALID',
      'A binding needs a claim: without one, every token of the issuer for this audience would fit.',
      'Give the claim that names the workload, such as sub.',
    );
  if (entries.length > CLAIMS_MAX)
    throw new PosternError('POSTERN_INVALID', `A binding has at most ${CLAIMS_MAX} claims.`);
  const checked = entries.map(([name, value]) => {
    const claim = checkText(name, 'name of a claim', 200);
    if (RESERVED.has(claim))
      throw new PosternError('POSTERN_INVALID', `The claim ${claim} is checked anyway.`);
    return [claim, checkText(value, `claim ${claim}`, 500)] as const;
  });
  return Object.fromEntries(checked.sort(([a], [b]) => (a < b ? -1 : 1)));
}
