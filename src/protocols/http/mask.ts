/** Where sensitive values sit in answers of HTTP, and how they are replaced. What cannot be masked is refused. */
import type { MaskPlan } from '../../masking/rules.ts';
import type { MaskCount } from '../session-records.ts';
import { type Headers, valuesOf } from './head.ts';
import { CODINGS, type MaskedBody, type Masker, maskedBody } from './mask-body.ts';
import { EventMasker } from './mask-events.ts';
import { FormMasker } from './mask-form.ts';
import { maskedHeaders } from './mask-headers.ts';
import { JsonMasker } from './mask-json.ts';
import { TextMasker } from './mask-text.ts';
import { BodyMasks } from './mask-values.ts';

/** What an answer says of itself before its body comes. */
export interface AnswerHead {
  /** Of the request. */
  readonly method: string;
  readonly status: number;
  readonly headers: Headers;
}

export interface AnswerMask {
  /** The answer's headers as the client may see them. To be called once. */
  headers(headers: Headers): [string, string][];
  /** The same of its trailers. */
  trailers(headers: Headers): [string, string][];
  /** Through what the body goes; null where there is none. */
  readonly body: MaskedBody | null;
  /** What was masked until now. */
  counts(): MaskCount[];
}

export interface Refusal {
  /** Why the answer cannot be masked. */
  readonly refused: string;
}

/** Whether some rule bears on answers of HTTP. */
const bears = (plan: MaskPlan): boolean => plan.members || plan.content.length > 0;

/**
 * Why a request may not be forwarded at all under masks, since nothing of its answer could be masked; null where it may.
 *
 * @param verb of the scope: `GRPC` and `WEBSOCKET` are no documents
 */
export function maskRefusal(plan: MaskPlan | null, verb: string): string | null {
  if (plan === null || !bears(plan) || (verb !== 'GRPC' && verb !== 'WEBSOCKET')) return null;
  return `mask rules hold here, and what comes over ${verb === 'GRPC' ? 'gRPC' : 'a WebSocket'} cannot be masked`;
}

/**
 * How an answer is masked; null where no rule bears on it.
 *
 * @param plan of the session and the grant under which the request runs
 * @param messageBytes largest part that is held whole
 */
export function answerMask(
  plan: MaskPlan | null,
  head: AnswerHead,
  messageBytes: number,
): AnswerMask | Refusal | null {
  if (plan === null || !bears(plan)) return null;
  const masks = new BodyMasks(plan, messageBytes);
  const body = hasNoBody(head) ? null : bodyOf(masks, head);
  if (body !== null && 'refused' in body) return body;
  return {
    headers: (headers) => maskedHeaders(masks, headers),
    trailers: (headers) => maskedHeaders(masks, headers),
    body,
    counts: () => masks.counts(),
  };
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#section-6.4.1 */
function hasNoBody({ method, status, headers }: AnswerHead): boolean {
  if (method === 'HEAD' || status === 204 || status === 205 || status === 304) return true;
  return valuesOf(headers, 'content-length').join() === '0';
}

function bodyOf(masks: BodyMasks, { status, headers }: AnswerHead): MaskedBody | Refusal {
  if (status === 206 || valuesOf(headers, 'content-range').length > 0)
    return { refused: 'a part of an answer cannot be masked' };
  const types = valuesOf(headers, 'content-type');
  const [type = ''] = types;
  const masker = types.length === 1 ? maskerOf(masks, type) : null;
  if (masker === null)
    return { refused: `mask rules hold here, and an answer of the type ${said(type)} cannot be masked` };
  const codings = valuesOf(headers, 'content-encoding')
    .flatMap((value) => value.split(','))
    .map((each) => each.trim().toLowerCase())
    .filter((each) => each !== '' && each !== 'identity');
  const coding = CODINGS.find((each) => each === codings[0]);
  if (codings.length > 1 || (codings.length === 1 && coding === undefined))
    return {
      refused: `mask rules hold here, and what is packed as ${said(codings.join())} cannot be masked`,
    };
  return maskedBody(masker, coding ?? null, masks.messageBytes);
}

/** In a message nothing is repeated that could be more than a name. */
const said = (text: string): string => (/^[\w.+/;=, -]{1,80}$/.test(text) ? text : 'it came with');

/** Encodings in which ASCII is what it seems. */
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);
const WIDER: ReadonlySet<string> = new Set([...CHARSETS, 'iso-8859-1', 'iso-8859-15', 'windows-1252']);
/** Texts in which nothing is written otherwise than it is read. */
const TEXTS: ReadonlySet<string> = new Set(['text/plain', 'text/markdown']);
/** Rows without names on them: they can be searched, and names cannot be found. */
const ROWS: ReadonlySet<string> = new Set(['text/csv', 'text/tab-separated-values']);
const MANY: ReadonlySet<string> = new Set([
  ...['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'],
  ...[
    'application/jsonlines',
    'application/json-seq',
    'application/stream+json',
    'application/x-json-stream',
  ],
]);

/** Null where bodies of the type cannot be masked. @param header a `Content-Type` */
function maskerOf(masks: BodyMasks, header: string): Masker | null {
  const [first = '', ...parameters] = header.toLowerCase().split(';');
  const type = first.trim();
  // Two types in one header are read in two ways.
  if (!/^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(type)) return null;
  const charsets = parameters.flatMap((each) => /^\s*charset\s*=\s*"?([^"]*)"?\s*$/.exec(each)?.[1] ?? []);
  const known = TEXTS.has(type) || ROWS.has(type) ? WIDER : CHARSETS;
  if (/,/.test(header) || charsets.length > 1 || charsets.some((each) => !known.has(each.trim())))
    return null;
  // There the client itself chooses what members are called.
  if (type.includes('graphql')) return masks.plan.members ? null : new JsonMasker(masks);
  if (MANY.has(type) || type.endsWith('+json-seq')) return new JsonMasker(masks, true);
  if (type === 'application/json' || type === 'text/json' || type.endsWith('+json'))
    return new JsonMasker(masks);
  if (type === 'application/x-www-form-urlencoded') return new FormMasker(masks);
  if (type === 'text/event-stream') return new EventMasker(masks);
  if (TEXTS.has(type)) return new TextMasker(masks);
  return ROWS.has(type) && !masks.plan.members ? new TextMasker(masks) : null;
}
