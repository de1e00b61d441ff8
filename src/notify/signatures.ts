/** Signatures of webhooks, ours and theirs. Pure. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';

/** Seconds by which clocks may differ, and a message may be old. */
export const WINDOW_SECONDS = 300;
const PREFIX = 'whsec_';
const SIGNATURES_MAX = 8;

export const newSigningSecret = (): string => `${PREFIX}${randomBytes(32).toString('base64')}`;

/**
 * A secret of the Standard Webhooks: `whsec_` and 24 to 64 bytes in Base64.
 *
 * @throws PosternError POSTERN_INVALID
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function checkSigningSecret(secret: string): string {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const bytes = Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(text) && bytes.length >= 24 && bytes.length <= 64) return secret;
  throw new PosternError(
    'POSTERN_INVALID',
    'A signing secret is whsec_ and 24 to 64 bytes in Base64.',
    'Leave it out, and Postern makes one.',
  );
}

/** What the headers `webhook-id`, `webhook-timestamp` and `webhook-signature` say. */
export interface SignedHead {
  readonly id: string;
  /** Seconds since the Unix epoch. */
  readonly timestamp: string;
  readonly signature: string;
}

/** The headers of a message. @param secrets each signs: while one takes over from another there are two */
export function signWebhook(
  secrets: readonly string[],
  id: string,
  timestampSeconds: number,
  body: string,
): SignedHead {
  const timestamp = String(timestampSeconds);
  const signature = secrets.map(
    (secret) => `v1,${webhookMac(secret, id, timestamp, body).toString('base64')}`,
  );
  return { id, timestamp, signature: signature.join(' ') };
}

/**
 * Whether a message is signed with one of the secrets and lies within the window. That it has not come before is the caller's to see.
 *
 * @param nowMs milliseconds since the Unix epoch
 */
export function verifyWebhook(
  secrets: readonly string[],
  { id, timestamp, signature }: SignedHead,
  body: string,
  nowMs: number,
): boolean {
  if (!/^[\x21-\x2d\x2f-\x7e]{1,256}$/.test(id) || !inWindow(timestamp, nowMs)) return false;
  const given = signature.split(' ', SIGNATURES_MAX + 1);
  if (given.length > SIGNATURES_MAX) return false;
  let fits = false;
  for (const secret of secrets) {
    const expected = webhookMac(secret, id, timestamp, body);
    // All are compared, whichever fits.
    for (const each of given)
      if (each.startsWith('v1,') && equal(each.slice(3), expected, 'base64')) fits = true;
  }
  return fits;
}

/**
 * Whether Slack signed a request with the secret of the app, within the window.
 *
 * @see https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
export function verifySlack(
  secret: string,
  { timestamp, signature }: Omit<SignedHead, 'id'>,
  body: string,
  nowMs: number,
): boolean {
  if (!inWindow(timestamp, nowMs) || !signature.startsWith('v0=')) return false;
  const expected = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest();
  return equal(signature.slice(3), expected, 'hex');
}

function webhookMac(secret: string, id: string, timestamp: string, body: string): Buffer {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  return createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
}

function inWindow(timestamp: string, nowMs: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(Number(timestamp) - nowMs / 1000) <= WINDOW_SECONDS;
}

function equal(text: string, expected: Buffer, encoding: 'base64' | 'hex'): boolean {
  const wanted = Buffer.from(expected.toString(encoding));
  const given = Buffer.from(text, 'latin1');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
