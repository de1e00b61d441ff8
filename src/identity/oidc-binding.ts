/** Bindings by tokens of an OIDC issuer: what they may ask for. */
import { claimPath } from '../core/claims.ts';
import { PosternError } from '../core/errors.ts';
import { parseStrictJson } from '../core/strict-json.ts';
import type { Binding, BindingOf, KeySource } from '../store/entities.ts';
import { checkText } from './input.ts';
import { checkIssuer } from './issuers.ts';
import { lintBinding } from './presets/lint.ts';
import { checkPreset, presetNamed } from './presets/presets.ts';

const CLAIMS_MAX = 16;
const KEYS_MAX = 32_768;
const KEYS_DEPTH = 8;
/** What is checked anyway, and not by equality. */
const RESERVED: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'iat', 'nbf']);

type Texts = Readonly<Record<string, string>>;

/** What is asked for, as it came. */
export interface OidcInput {
  readonly kind: 'oidc';
  readonly preset?: string | undefined;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Texts;
  readonly contains?: Texts | undefined;
  readonly reuse?: boolean | undefined;
  readonly keys?:
    | {
        readonly ca?: string | undefined;
        readonly server?: string | undefined;
        /** A JWK Set, as text. */
        readonly jwks?: string | undefined;
      }
    | undefined;
}

type OidcDetails = Omit<
  BindingOf<'oidc'>,
  'id' | 'principal' | 'status' | 'endReason' | 'endedAt' | 'createdAt'
>;

/** @throws PosternError POSTERN_INVALID, also for what the linter calls an error */
export function checkOidc(input: OidcInput): OidcDetails {
  const preset = presetNamed(input.preset);
  if (input.preset !== undefined && preset === undefined)
    throw new PosternError('POSTERN_INVALID', `There is no preset ${input.preset}.`);
  const contains = checkClaims(input.contains ?? {});
  const keys = checkKeys(input.keys ?? {});
  const details: OidcDetails = {
    kind: 'oidc',
    ...(preset !== undefined && { preset: preset.name }),
    issuer: checkIssuer(checkText(input.issuer, 'issuer', 500)),
    audience: checkText(input.audience, 'audience', 500),
    claims: checkClaims(input.claims),
    ...(Object.keys(contains).length > 0 && { contains }),
    ...((input.reuse ?? preset?.reuse) && { reuse: true }),
    ...(Object.keys(keys).length > 0 && { keys }),
  };
  if (Object.keys(details.claims).length === 0)
    throw new PosternError(
      'POSTERN_INVALID',
      'A binding needs a claim: without one, every token of the issuer for this audience would fit.',
      'Give the claim that names the workload, such as sub.',
    );
  if (preset !== undefined) checkPreset(preset, { ...details, contains });
  const wrong = lintBinding(details).find(({ severity }) => severity === 'error');
  if (wrong !== undefined) throw new PosternError('POSTERN_INVALID', wrong.message, wrong.fix);
  return details;
}

/** Whether one token could fit both: no claim of both has two values. A list may hold the values of both. */
export function oidcOverlaps(a: BindingOf<'oidc'>, b: OidcDetails): boolean {
  return (
    a.issuer === b.issuer &&
    a.audience === b.audience &&
    Object.entries(a.claims).every(
      ([name, value]) => b.claims[name] === undefined || b.claims[name] === value,
    )
  );
}

/**
 * An issuer has its keys in one place: who makes a second binding to it does not choose whom the first one trusts.
 *
 * @throws PosternError POSTERN_CONFLICT
 */
export function requireOneSource(bindings: readonly Binding[], details: OidcDetails): void {
  const wanted = JSON.stringify(details.keys ?? {});
  const other = bindings.find(
    (each) =>
      each.kind === 'oidc' && each.issuer === details.issuer && JSON.stringify(each.keys ?? {}) !== wanted,
  );
  if (other === undefined) return;
  throw new PosternError(
    'POSTERN_CONFLICT',
    `The binding ${other.id}, of ${other.principal.name}, has the keys of this issuer from elsewhere.`,
    'Give the same CA, server or keys. To change them, remove the bindings of this issuer first.',
  );
}

function checkClaims(claims: Texts): Record<string, string> {
  const entries = Object.entries(claims);
  if (entries.length > CLAIMS_MAX)
    throw new PosternError('POSTERN_INVALID', `A binding has at most ${CLAIMS_MAX} claims.`);
  const checked = entries.map(([name, value]) => {
    const claim = checkText(name, 'name of a claim', 200);
    if (RESERVED.has(claim))
      throw new PosternError('POSTERN_INVALID', `The claim ${claim} is checked anyway.`);
    if (claimPath(claim) === null)
      throw new PosternError(
        'POSTERN_INVALID',
        `${claim} is no way to a value within a claim.`,
        'Write the name of a claim, or /CLAIM/NAME for a value within it, with ~1 for "/" and ~0 for "~" in a name.',
      );
    return [claim, checkText(value, `claim ${claim}`, 500)] as const;
  });
  return Object.fromEntries(checked.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkKeys({ ca, server, jwks }: NonNullable<OidcInput['keys']>): KeySource {
  const invalid = (message: string): PosternError => new PosternError('POSTERN_INVALID', message);
  if (jwks !== undefined) {
    if (ca !== undefined || server !== undefined)
      throw invalid('Where the keys are given, nobody is asked for them: leave CA and server away.');
    if (jwks.length > KEYS_MAX) throw invalid(`The keys have more than ${KEYS_MAX} characters.`);
    return { jwks: publicKeysOf(jwks, invalid) };
  }
  if (ca !== undefined && (ca.length > KEYS_MAX || !/-----BEGIN CERTIFICATE-----/.test(ca)))
    throw invalid('The CA is no certificate in PEM.');
  return {
    ...(ca !== undefined && { ca }),
    ...(server !== undefined && { server: checkIssuer(checkText(server, 'server', 500)) }),
  };
}

/** What is public of the keys: the binding is in the log. */
function publicKeysOf(
  text: string,
  invalid: (message: string) => PosternError,
): NonNullable<KeySource['jwks']> {
  try {
    const value = parseStrictJson(text, KEYS_DEPTH) as { readonly keys: readonly Record<string, unknown>[] };
    const shown = ['kty', 'kid', 'alg', 'use', 'key_ops', 'n', 'e', 'crv', 'x', 'y'];
    return {
      keys: value.keys.map((key) =>
        Object.fromEntries(shown.filter((name) => key[name] !== undefined).map((name) => [name, key[name]])),
      ),
    };
  } catch {
    throw invalid('The keys are no JWK Set.');
  }
}
