import { request } from 'node:https';
import type { CustomFetch } from 'openid-client';

const LARGEST = 262_144;
const FETCH_MS = 10_000;

/**
 * Fetches for the OpenID client: over https alone, without following redirections, each answer within 10 s and 256 KiB.
 *
 * @param ca authority to trust besides the system's, PEM
 */
export function boundedFetch(ca: string | null, systemCas: readonly string[]): CustomFetch {
  return (url, options) =>
    new Promise((resolve, reject) => {
      const target = new URL(url);
      if (target.protocol !== 'https:') return reject(new Error(`${target.origin} is not https`));
      const { body } = options;
      const call = request(
        target,
        {
          agent: false,
          method: options.method,
          headers: options.headers,
          signal: AbortSignal.timeout(FETCH_MS),
          ...(ca !== null && { ca: [...systemCas, ca] }),
        },
        (response) => {
          const parts: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > LARGEST)
              call.destroy(new Error(`${target.origin} answers with more than ${LARGEST} bytes`));
            else parts.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            const status = response.statusCode ?? 0;
            const headers = new Headers();
            for (const [name, value] of Object.entries(response.headers)) {
              for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
            }
            const content = [204, 205, 304].includes(status) ? null : Buffer.concat(parts);
            resolve(new Response(content, { status, headers }));
          });
        },
      );
      call.on('error', reject);
      call.end(body === null || body === undefined ? undefined : String(body));
    });
}
