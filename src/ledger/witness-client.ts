import * as http from 'node:http';
import * as https from 'node:https';
import { PosternError } from '../core/errors.ts';
import { parseDecimal } from './checkpoint.ts';
import { type Cosignature, verifyCosignature } from './cosignature.ts';
import type { PublicKey } from './keys.ts';
import { parseSignatures, splitNote } from './note.ts';
import { formatSubmission, SIZE_TYPE, type Submission } from './witness-protocol.ts';

/** A witness as its log knows it. */
export interface WitnessAddress {
  /** Submission prefix, http or https. */
  readonly url: string;
  readonly key: PublicKey;
  /** Certificate authority to trust for https, PEM; else those of the system. */
  readonly ca?: string | undefined;
}

/** What a witness said to a submission. */
export type WitnessReply =
  | { readonly kind: 'cosigned'; readonly cosignature: Cosignature }
  /** It has cosigned a checkpoint of this size, and not of the one that was said. */
  | { readonly kind: 'size'; readonly size: number }
  /** It will not cosign: 403 unknown key, 404 unknown log, 409 other tree, 422 proof does not hold, or anything else. */
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string };

const MAX_ANSWER_BYTES = 64 * 1024;
/** A clock that runs ahead further than this makes the time of a cosignature worthless. */
const MAX_AHEAD_SECONDS = 300;
const MAX_REASON = 200;

/**
 * Submits a checkpoint to a witness once. Redirects are not followed.
 *
 * @throws PosternError `POSTERN_UPSTREAM_UNAVAILABLE` where there is no answer, `POSTERN_TIMEOUT` where it takes longer than
 * `deadlineMs`, `POSTERN_INVALID` where the answer is not one of this witness over this checkpoint
 */
export async function submitCheckpoint(
  witness: WitnessAddress,
  submission: Submission,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<WitnessReply> {
  const { status, type, body } = await post(
    witness,
    formatSubmission(submission),
    AbortSignal.timeout(deadlineMs),
    signal,
  );
  if (status === 200) return { kind: 'cosigned', cosignature: findCosignature(witness, submission, body) };
  if (status === 409 && type.split(';')[0]?.trim() === SIZE_TYPE) {
    const size = body.endsWith('\n') ? parseDecimal(body.slice(0, -1)) : null;
    if (size === null) throw invalid('it does not name a size');
    if (size !== submission.old) return { kind: 'size', size };
    return { kind: 'refused', status, reason: `it has cosigned another tree of ${size} leaves` };
  }
  return { kind: 'refused', status, reason: REASONS[status] ?? `it says: ${printable(body)}` };
}

const REASONS: Readonly<Record<number, string>> = {
  403: 'the signature is of no key that it knows for this log',
  404: 'it does not know this log',
  409: 'it has cosigned another tree',
  422: 'the checkpoint does not continue the tree that it has cosigned',
};

function findCosignature(witness: WitnessAddress, { note }: Submission, body: string): Cosignature {
  const { name, keyId } = witness.key;
  const { text } = splitNote(note);
  const own = parseSignatures(body).find((one) => one.name === name && one.keyId === keyId);
  if (!own) throw invalid('it has no signature of its key');
  const time = verifyCosignature(text, witness.key, own.signature);
  if (time === null) throw invalid('its signature does not fit the checkpoint');
  if (time > Date.now() / 1000 + MAX_AHEAD_SECONDS) throw invalid('its time lies in the future');
  return { name, keyId, time, line: own.line };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function post(
  witness: WitnessAddress,
  body: string,
  deadline: AbortSignal,
  broken?: AbortSignal,
): Promise<Answer> {
  const url = new URL(`${witness.url.replace(/\/+$/, '')}/add-checkpoint`);
  const { request } = url.protocol === 'https:' ? https : http;
  const signal = broken ? AbortSignal.any([deadline, broken]) : deadline;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      if (error instanceof PosternError) reject(error);
      else if (deadline.aborted) reject(new PosternError('POSTERN_TIMEOUT', 'The witness takes too long.'));
      else reject(new PosternError('POSTERN_UPSTREAM_UNAVAILABLE', `No answer: ${error.message}`));
    };
    const call = request(
      url,
      {
        method: 'POST',
        // A connection kept from long ago may be dead without our knowing, and the witness would look as if it were.
        agent: false,
        signal,
        headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) },
        ...(witness.ca !== undefined && { ca: witness.ca }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) call.destroy(invalid('it is larger than 64 KiB'));
          else chunks.push(chunk);
        });
        response.on('error', fail);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: Buffer.concat(chunks).toString('utf8'),
          });
        });
      },
    );
    call.on('error', fail);
    call.end(body);
  });
}

function invalid(what: string): PosternError {
  return new PosternError('POSTERN_INVALID', `The answer of the witness is not valid: ${what}.`);
}

function printable(text: string): string {
  return text
    .slice(0, MAX_REASON)
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim();
}
