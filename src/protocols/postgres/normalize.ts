/**
 * A cache key for texts that differ in literals only. One pass, no parser: it knows just enough of PostgreSQL's lexer to be
 * sure, and gives up wherever it is not.
 *
 * Promise: two texts with equal keys, where both are valid, have parse trees that differ in the values of constants
 * only (and in array bounds such as `int[3]`).
 *
 * @see https://www.postgresql.org/docs/18/sql-syntax-lexical.html
 */

const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DOLLAR = 0x24;
const DOT = 0x2e;

/** What a character can be the beginning of; 0 is anything else. */
const WORD = 1;
const DIGIT = 2;
const STOP = 3;

/** Per ASCII code. Above ASCII everything is part of a word, as in PostgreSQL. */
const KIND = new Uint8Array(128);
for (let code = 0; code < 128; code += 1) {
  const char = String.fromCharCode(code);
  if (/[A-Za-z_]/.test(char)) KIND[code] = WORD;
  else if (/[0-9]/.test(char)) KIND[code] = DIGIT;
  else if (char === '\\' || (code < 0x20 && !/[\t\n\r\f\v]/.test(char)) || code === 0x7f) KIND[code] = STOP;
}

const kindOf = (code: number): number => (code < 128 ? (KIND[code] as number) : WORD);

/** Letters, digits, `_`, `$` and everything above ASCII: what goes on a name. NaN (the end) does not. */
const continuesWord = (code: number): boolean =>
  code === DOLLAR || code >= 128 || KIND[code] === WORD || KIND[code] === DIGIT;

/** Longest run of digits that is an integer for certain. */
const SURE_INTEGER_DIGITS = 9;

/**
 * The text with its integers, decimals and plain strings replaced by `0`, `0.0` and `''`.
 *
 * @returns null where it cannot be sure: comments, dollar quotes, escape or prefixed strings, odd numbers
 */
export function normalizeLiterals(sql: string): string | null {
  const end = sql.length;
  let key = '';
  let copied = 0;
  let at = 0;
  while (at < end) {
    const code = sql.charCodeAt(at);
    const kind = kindOf(code);
    if (kind === WORD) {
      const start = at;
      at += 1;
      while (at < end && continuesWord(sql.charCodeAt(at))) at += 1;
      // A string right after a word is prefixed (E, B, X, N, U&), or odd. `float(n)` names another type for another n.
      const next = sql.charCodeAt(at);
      if (next === QUOTE || (next === 0x26 && /["']/.test(sql[at + 1] ?? ''))) return null;
      if (at - start === 5 && isFloat(sql, start)) return null;
    } else if (kind === DIGIT) {
      const start = at;
      at += 1;
      while (KIND[sql.charCodeAt(at)] === DIGIT) at += 1;
      let placeholder = at - start > SURE_INTEGER_DIGITS ? '00' : '0';
      if (sql.charCodeAt(at) === DOT) {
        const fraction = at + 1;
        at = fraction;
        while (KIND[sql.charCodeAt(at)] === DIGIT) at += 1;
        if (at === fraction) return null;
        placeholder = '0.0';
      }
      const next = sql.charCodeAt(at);
      if (next === DOT || next === QUOTE || continuesWord(next)) return null;
      key += sql.slice(copied, start) + placeholder;
      copied = at;
    } else if (code === QUOTE) {
      const close = closeString(sql, at + 1);
      if (close === -1) return null;
      key += `${sql.slice(copied, at)}''`;
      copied = close;
      at = close;
    } else if (code === DOUBLE_QUOTE) {
      const close = sql.indexOf('"', at + 1);
      if (close === -1) return null;
      at = close + 1;
    } else if (code === DOLLAR) {
      // A parameter; anything else may open a dollar quote.
      at += 1;
      const start = at;
      while (KIND[sql.charCodeAt(at)] === DIGIT) at += 1;
      const next = sql.charCodeAt(at);
      if (at === start || next === QUOTE || next === DOT || continuesWord(next)) return null;
    } else if (kind === STOP || startsOdd(sql, at, code)) {
      return null;
    } else {
      at += 1;
    }
  }
  return key + sql.slice(copied);
}

/** Comments, and a point with digits after it. */
function startsOdd(sql: string, at: number, code: number): boolean {
  const next = sql.charCodeAt(at + 1);
  if (code === 0x2d) return next === 0x2d;
  if (code === 0x2f) return next === 0x2a;
  return code === DOT && KIND[next] === DIGIT;
}

/** The index after the string that is open at `from`; -1 where it has a backslash or does not end. */
function closeString(sql: string, from: number): number {
  for (let at = from; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (code === BACKSLASH || code === 0) return -1;
    if (code === QUOTE) {
      if (sql.charCodeAt(at + 1) !== QUOTE) return at + 1;
      at += 1;
    }
  }
  return -1;
}

function isFloat(sql: string, start: number): boolean {
  return sql.slice(start, start + 5).toLowerCase() === 'float';
}
