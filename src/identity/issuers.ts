import { PosternError } from '../core/errors.ts';
import { ALGORITHM_NAMES, tokenKeys } from '../core/jws.ts';
import type { KeySource } from '../store/entities.ts';
import { fetchJson } from './fetch-json.ts';

/** Keys of an issuer: the JWK Set, as it came, known to hold at least one key that can be used. */
export interface IssuerKeys {
  readonly issuer: string;
  readonly jwks: object;
}

/**
 * Fetches the keys of an OIDC issuer: its discovery document, and the JWK Set that this names. Over https alone, without
 * following redirections, within 10 s and 256 KiB each.
 *
 * @throws PosternError POSTERN_INVALID that says what is wrong with the issuer
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
 */
export async function fetchIssuerKeys(issuer: string, source: KeySource = {}): Promise<IssuerKeys> {
  if (source.jwks !== undefined) return usable(issuer, source.jwks);
  const base = source.server ?? issuer;
  const found = await ask(issuer, `${base.replace(/\/$/, '')}/.well-known/openid-configuration`, source);
  if (found.issuer !== issuer)
    throw invalid(issuer, `its discovery document is of the issuer ${JSON.stringify(found.issuer)}`);
  if (typeof found.jwks_uri !== 'string') throw invalid(issuer, 'its discovery document names no keys');
  return usable(issuer, await ask(issuer, keysAt(issuer, found.jwks_uri, source.server), source));
}

/** What an API server calls its own address may not be the one at which it is reached: then its keys are asked for there too. */
function keysAt(issuer: string, uri: string, server: string | undefined): string {
  if (!URL.canParse(uri) || new URL(uri).protocol !== 'https:')
    throw invalid(issuer, 'its keys are not at an https URL');
  return server === undefined ? uri : new URL(new URL(uri).pathname, server).href;
}

function usable(issuer: string, jwks: object): IssuerKeys {
  if (tokenKeys(jwks).length === 0) throw invalid(issuer, `it has no key for ${ALGORITHM_NAMES.join(', ')}`);
  return { issuer, jwks };
}

/** The URL of an issuer in the one form in which it is kept. @throws PosternError POSTERN_INVALID */
export function checkIssuer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain =
    url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if (!plain || url.protocol !== 'https:')
    throw new PosternError(
      'POSTERN_INVALID',
      'An issuer is an https URL without query, fragment or password.',
      'Write it exactly as the claim "iss" has it, such as https://token.actions.githubusercontent.com.',
    );
  return text;
}

async function ask(
  issuer: string,
  url: string,
  { ca }: KeySource,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await fetchJson(url, { ca });
  } catch (error) {
    throw invalid(issuer, (error as Error).message);
  }
}

function invalid(issuer: string, why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The issuer ${issuer} cannot be used: ${why}.`,
    'Its certificate must be of an authority of the system, or of one in the file that NODE_EXTRA_CA_CERTS names at the start of postern serve.',
  );
}
