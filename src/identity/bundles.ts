import { request } from 'node:https';
import { PosternError } from '../core/errors.ts';
import { type Bundle, readBundle } from '../core/spiffe.ts';

const BUNDLE_MAX = 262_144;
const FETCH_MS = 10_000;

/**
 * Fetches the bundle of a trust domain as the profile `https_web` has it: over https, from a server that proves its name, without
 * following redirections, within 10 s and 256 KiB.
 *
 * @throws PosternError POSTERN_INVALID that says what is wrong
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Federation.md#52-obtaining-a-bundle-from-the-endpoint-server
 */
export function fetchBundle(url: string): Promise<Bundle> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      call.destroy();
      reject(invalid(url, why));
    };
    const call = request(
      url,
      { agent: false, headers: { accept: 'application/json' }, signal: AbortSignal.timeout(FETCH_MS) },
      (response) => {
        if (response.statusCode !== 200) return fail(`it answers ${response.statusCode}`);
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > BUNDLE_MAX) fail(`it answers with more than ${BUNDLE_MAX} bytes`);
          else parts.push(chunk);
        });
        response.on('error', (error) => fail(error.message));
        response.on('end', () => {
          const bundle = parseBundle(Buffer.concat(parts).toString('utf8'));
          if (bundle === null) fail('it does not answer with a SPIFFE bundle that can be read whole');
          else resolve(bundle);
        });
      },
    );
    call.on('error', (error) => fail(error.message));
    call.end();
  });
}

/** A bundle in JSON; null where it is none. */
export function parseBundle(text: string): Bundle | null {
  try {
    return readBundle(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function invalid(url: string, why: string): PosternError {
  return new PosternError(
    'POSTERN_INVALID',
    `The bundle at ${url} cannot be used: ${why}.`,
    'The certificate of the server must be of an authority of the system, or of one in the file that NODE_EXTRA_CA_CERTS names at the start of postern serve.',
  );
}
