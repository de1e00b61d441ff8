import { request } from 'node:https';
import { PosternError } from '../core/errors.ts';
import { ALGORITHM_NAMES, tokenKeys } from '../core/jws.ts';
import { parseStrictJson } from '../core/strict-json.ts';
import type { KeySource } from '../store/entities.ts';

const DOCUMENT_MAX = 262_144;
const FETCH_MS = 10_000;
const DOCUMENT_DEPTH = 16;

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
  const found = await fetchJson(
    issuer,
    `${base.replace(/\/$/, '')}/.well-known/openid-configuration`,
    source,
  );
  if (found.issuer !== issuer)
    throw invalid(issuer, `its discovery document is of the issuer ${JSON.stringify(found.issuer)}`);
  if (typeof found.jwks_uri !== 'string') throw invalid(issuer, 'its discovery document names no keys');
  return usable(issuer, await fetchJson(issuer, keysAt(issuer, found.jwks_uri, source.server), source));
}

/** What an API server calls its own address may not be the one at which it is reached: then its keys are asked for there too. */
function keysAt(issuer: string, uri: string, server: string | undefined): string {
  if (!URL.canParse(uri)) throw invalid(issuer, 'its keys are not at an https URL');
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

function fetchJson(issuer: string, url: string, { ca }: KeySource): Promise<Record<string, unknown>> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
    return Promise.reject(invalid(issuer, 'its keys are not at an https URL'));
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      call.destroy();
      reject(invalid(issuer, why));
    };
    const call = request(
      url,
      {
        agent: false,
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(FETCH_MS),
        ...(ca !== undefined && { ca }),
      },
      (response) => {
        if (response.statusCode !== 200) return fail(`${url} answers ${response.statusCode}`);
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > DOCUMENT_MAX) fail(`${url} answers with more than ${DOCUMENT_MAX} bytes`);
          else parts.push(chunk);
        });
        response.on('error', (error) => fail(`${url}: ${error.message}`));
        response.on('end', () => {
          try {
            const value = parseStrictJson(Buffer.concat(parts).toString('utf8'), DOCUMENT_DEPTH);
            if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error();
            resolve(value as Record<string, unknown>);
          } catch {
            fail(`${url} does not answer with a JSON object`);
          }
        });
      },
    );
    call.on('error', (error) => fail(`${url}: ${error.message}`));
    call.end();
  });
}

function invalid(issuer: string, why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The issuer ${issuer} cannot be used: ${why}.`,
    'Its certificate must be of an authority of the system, or of one in the file that NODE_EXTRA_CA_CERTS names at the start of postern serve.',
  );
}
