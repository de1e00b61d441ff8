/** Headers where masks hold: what tells of the unmasked body goes, and values are masked as those of members are. */
import type { Headers } from './head.ts';
import type { BodyMasks } from './mask-values.ts';

/** Of the body as the service sent it: its length, encoding, digests and parts, by which guesses at what is masked could be tried. */
const OF_BODY: ReadonlySet<string> = new Set([
  ...['content-length', 'content-encoding', 'content-range', 'accept-ranges', 'content-md5', 'etag'],
  ...['digest', 'content-digest', 'repr-digest', 'signature', 'signature-input', 'x-goog-hash'],
  ...['x-amz-checksum-type', 'x-content-length', 'x-uncompressed-content-length', 'x-ms-blob-content-md5'],
]);
const DIGESTS = /^x-amz-checksum-|^x-amz-meta-.*(?:md5|sha|digest)|^x-checksum-/;

/** Their values are of the protocol and not of anybody's data. */
const PLAIN: ReadonlySet<string> = new Set([
  ...['content-type', 'date', 'expires', 'last-modified', 'age', 'cache-control', 'vary', 'allow'],
  ...['retry-after', 'server', 'content-language', 'x-content-type-options', 'grpc-status'],
]);

/** The headers, or trailers, of an answer as the client may see them. */
export function maskedHeaders(masks: BodyMasks, headers: Headers): [string, string][] {
  return headers.flatMap(([name, value]): [string, string][] => {
    if (OF_BODY.has(name) || DIGESTS.test(name)) return [];
    if (PLAIN.has(name) || name.startsWith('access-control-')) return [[name, value]];
    const label = masks.label('header', name);
    const own = name.replace(/^x-/, '');
    const mask = masks.plan.forMember(null, name) ?? masks.plan.forMember(null, own);
    const masked = mask === null ? masks.searchedText(label, value) : masks.named(mask, label, value);
    // What a header cannot hold is not sent.
    return masked === null || !/^[\t\x20-\x7e\x80-\xff]*$/.test(masked) ? [] : [[name, masked]];
  });
}

/** Asks for parts of a body, or for what it is as compared with another: that cannot be masked, or would tell of it. */
const PARTS: ReadonlySet<string> = new Set([
  ...[
    'accept-encoding',
    'range',
    'if-range',
    'a-im',
    'want-digest',
    'want-content-digest',
    'want-repr-digest',
  ],
]);

/**
 * The headers with which a request goes on whose answer will be masked: the whole, and not encoded. Conditions of writing stay, since
 * without them something else would happen.
 */
export function unencodedRequest(method: string, headers: Headers): [string, string][] {
  const reads = method === 'GET' || method === 'HEAD';
  const kept = headers.flatMap(([name, value]): [string, string][] =>
    PARTS.has(name) || (reads && (name === 'if-none-match' || name === 'if-match')) ? [] : [[name, value]],
  );
  return [...kept, ['accept-encoding', 'identity']];
}
