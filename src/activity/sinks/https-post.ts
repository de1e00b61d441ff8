import { Agent, request } from 'node:https';
import { rootCertificates } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { SinkFault } from './batch.ts';

/** What is read of an answer, at most, in bytes. */
const LARGEST_ANSWER = 65_536;
const LONGEST_WAIT_MS = 300_000;

export interface HttpsTarget {
  readonly url: string;
  readonly header: string;
  readonly ca: string | null;
}

/** Posts to one https address, over connections that are kept. Redirections are not followed. */
export class HttpsPost {
  readonly #target: HttpsTarget;
  readonly #secret: string | null;
  readonly #agent: Agent;

  constructor(target: HttpsTarget, secret: string | null) {
    this.#target = target;
    this.#secret = secret;
    const ca = target.ca === null ? rootCertificates : [target.ca];
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, minVersion: 'TLSv1.2', ca: [...ca] });
  }

  /**
   * @returns the body of the answer
   * @throws SinkFault for any answer but 2xx
   */
  post(
    body: string,
    type: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string> {
    const bytes = gzipSync(body);
    const { url, header } = this.#target;
    const sent = {
      'user-agent': 'postern',
      ...headers,
      'content-type': type,
      'content-encoding': 'gzip',
      'content-length': bytes.length,
      ...(this.#secret !== null && { [header]: this.#secret }),
    };
    return new Promise((resolve, reject) => {
      const call = request(url, { method: 'POST', agent: this.#agent, headers: sent, signal }, (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size <= LARGEST_ANSWER) parts.push(part);
          else call.destroy(new SinkFault('its answer is too long'));
        });
        answer.on('error', reject);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(Buffer.concat(parts).toString('utf8'));
          else reject(new SinkFault(`it answers with ${status}`, waitOf(answer.headers['retry-after'])));
        });
      });
      call.on('error', reject);
      call.end(bytes);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Milliseconds that a receiver asks for: RFC 9110 section 10.2.3. */
function waitOf(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_WAIT_MS) : 0;
}
