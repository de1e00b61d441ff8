/** Detectors of what opens doors: keys, tokens, passwords in addresses. Every expression is linear in the text. */
import type { Span } from './digits.ts';

function* all(text: string, pattern: RegExp): Generator<Span> {
  for (const { 0: found, index } of text.matchAll(pattern)) yield { start: index, end: index + found.length };
}

/** Access key ids of AWS. @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html */
export const awsKeys = (text: string): Generator<Span> => all(text, /(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}/g);

export const githubTokens = (text: string): Generator<Span> =>
  all(text, /gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}/g);

/** Keys of well-known services by their prefixes, and passwords in URLs. */
export const apiKeys = (text: string): Generator<Span> =>
  all(
    text,
    /[spr]k_(?:live|test)_[A-Za-z0-9]{16,255}|xox[abposr]-[A-Za-z0-9-]{10,255}|AIza[A-Za-z0-9_-]{35}|glpat-[A-Za-z0-9_-]{20,255}|npm_[A-Za-z0-9]{36}|SG\.[\w-]{22}\.[\w-]{43}|hv[sb]\.[A-Za-z0-9_-]{24,255}|:\/\/[^\s:@/"]{0,255}:[^\s@/"]{1,255}@/g,
  );

/** JSON web tokens, signed or encrypted. @see https://www.rfc-editor.org/rfc/rfc7519#section-3 */
export function* jwts(text: string): Generator<Span> {
  for (const { 0: run, index } of text.matchAll(/[A-Za-z0-9_.-]{16,}/g)) {
    let at = 0;
    for (const part of run.split('.')) {
      const head = part.indexOf('eyJ');
      if (head >= 0 && at + part.length < run.length && isHeader(part.slice(head))) {
        yield { start: index + at + head, end: index + run.length };
        break;
      }
      at += part.length + 1;
    }
  }
}

/** A header is JSON that names an algorithm; what is longer than any header is taken for one. */
const isHeader = (part: string): boolean =>
  part.length > 4096 || /"(?:alg|enc|typ)"/.test(Buffer.from(part, 'base64url').toString('latin1'));

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;

/** Private keys in PEM, up to their end or, where it is cut off, the end of the text. @see https://www.rfc-editor.org/rfc/rfc7468 */
export function* privateKeys(text: string): Generator<Span> {
  let from = 0;
  let endless = false;
  for (;;) {
    BEGIN.lastIndex = from;
    const begin = BEGIN.exec(text);
    if (begin === null) return;
    END.lastIndex = begin.index;
    // Looked for once in vain, there is none further on either.
    const end: RegExpExecArray | null = endless ? null : END.exec(text);
    endless = end === null;
    // Of a key that is cut off nothing is shown up to the quote that must end it, in an array or a record.
    const quote = text.indexOf('"', begin.index);
    const cut = quote < 0 ? text.length : quote;
    from = end === null ? cut : end.index + end[0].length;
    yield { start: begin.index, end: from };
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Bits per character above which no ordinary word or path of that alphabet comes. */
const HEX_BITS = 3;
const MIXED_BITS = 4;

/** Runs that look random: 32 or more hexadecimal digits, 24 or more letters and digits in both cases. UUIDs are not meant. */
export function* highEntropy(text: string): Generator<Span> {
  for (const { 0: run, index } of text.matchAll(/[A-Za-z0-9+/_=-]{24,}/g)) {
    const hex = run.length >= 32 && /^[0-9a-f]+$/i.test(run) && /\d/.test(run) && /[a-f]/i.test(run);
    const mixed = /[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run);
    if (UUID.test(run) || !(hex || mixed)) continue;
    if (bitsPerCharacter(run) >= (hex ? HEX_BITS : MIXED_BITS)) {
      yield { start: index, end: index + run.length };
    }
  }
}

function bitsPerCharacter(run: string): number {
  const counts = new Map<string, number>();
  for (const char of run) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / run.length) * Math.log2(count / run.length);
  return bits;
}
