/**
 * What stands in the page for `node:crypto`: the functions of it that verification uses, and nothing else. The build gives the
 * code of the command line this module where it imports that one.
 *
 * Signatures are verified by WebCrypto, which answers later: {@link settled} asks again when it has.
 */
import { Buffer, PageBuffer } from './bytes.ts';
import { sha256 } from './sha256.ts';

/** What `createPublicKey` makes here: the 32 bytes of an Ed25519 key, base64url. */
interface PageKey {
  readonly x: string;
}

type Digest = 'hex' | 'binary' | 'buffer' | 'base64';

const known = new Map<string, boolean>();
const asked = new Map<string, () => Promise<boolean>>();

/** As `node:crypto`'s one-shot `hash`. */
export function hash(
  algorithm: string,
  data: string | Uint8Array,
  encoding: Digest = 'hex',
): string | PageBuffer {
  if (algorithm !== 'sha256') throw new TypeError(`The page has no ${algorithm}.`);
  const digest = new PageBuffer(sha256(typeof data === 'string' ? Buffer.from(data) : data).buffer);
  return encoding === 'buffer' ? digest : digest.toString(encoding);
}

/** As `node:crypto`'s `createHash`, for small data. */
export function createHash(algorithm: string): {
  update(data: string | Uint8Array): ReturnType<typeof createHash>;
  digest(encoding?: Digest): string | PageBuffer;
} {
  const parts: Uint8Array[] = [];
  const sum = {
    update: (data: string | Uint8Array) => {
      parts.push(typeof data === 'string' ? Buffer.from(data) : data);
      return sum;
    },
    digest: (encoding: Digest = 'buffer') => hash(algorithm, Buffer.concat(parts), encoding),
  };
  return sum;
}

/** As `node:crypto`'s, for Ed25519 keys in JWK form. */
export function createPublicKey({
  key,
}: {
  readonly key: { readonly crv: string; readonly x: string };
}): PageKey {
  if (key.crv !== 'Ed25519') throw new TypeError('The page has only Ed25519.');
  return { x: key.x };
}

/** Whether the signature holds. False as long as it is not known: see {@link settled}. */
export function verify(_: null, data: Uint8Array, { x }: PageKey, signature: Uint8Array): boolean {
  const [message, signed] = [new Uint8Array(data), new Uint8Array(signature)];
  const question = [x, hash('sha256', message), hash('sha256', signed)].join(' ');
  const answer = known.get(question);
  if (answer !== undefined) return answer;
  asked.set(question, () => verifyEd25519(x, message, signed));
  return false;
}

/** Asks until every signature that the answer depends on is known. */
export async function settled<T>(ask: () => T): Promise<T> {
  for (;;) {
    asked.clear();
    let answer: () => T;
    try {
      const value = ask();
      answer = () => value;
    } catch (error) {
      answer = () => {
        throw error;
      };
    }
    if (asked.size === 0) return answer();
    for (const [question, verified] of [...asked]) known.set(question, await verified());
  }
}

async function verifyEd25519(
  x: string,
  data: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = await crypto.subtle.importKey(
    'jwk',
    { kty: 'OKP', crv: 'Ed25519', x },
    { name: 'Ed25519' },
    false,
    ['verify'],
  );
  return crypto.subtle.verify({ name: 'Ed25519' }, key, signature, data);
}

/** SHA-256 of a large piece of data by WebCrypto, hex. */
export async function webSha256(data: ArrayBuffer): Promise<string> {
  return new PageBuffer(await crypto.subtle.digest('SHA-256', data)).toString('hex');
}

/**
 * Whether this browser can do what verification needs: SHA-256 here and in WebCrypto agree, and WebCrypto verifies the first
 * Ed25519 signature of RFC 8032, section 7.1, and refuses a changed one. Null where all is well, otherwise what is missing.
 */
export async function whatIsMissing(): Promise<string | null> {
  if (globalThis.crypto?.subtle === undefined) return 'it has no WebCrypto for this page';
  for (const length of [0, 1, 55, 56, 63, 64, 65, 1000]) {
    const data = new PageBuffer(length).fill(length & 0xff);
    if (hash('sha256', data) !== (await webSha256(data.slice().buffer))) return 'its SHA-256 is wrong';
  }
  try {
    const signature = Buffer.from(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
      'hex',
    );
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
    if (!(await verifyEd25519(x, new Uint8Array(0), new Uint8Array(signature))))
      return 'its Ed25519 is wrong';
    if (await verifyEd25519(x, new Uint8Array(1), new Uint8Array(signature))) return 'its Ed25519 is wrong';
  } catch {
    return 'it cannot verify Ed25519 signatures';
  }
  return null;
}
