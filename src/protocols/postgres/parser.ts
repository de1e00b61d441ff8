/**
 * From SQL text to what it touches. Small texts are examined at once; large ones on a thread of their own. Whatever cannot be examined
 * comes back denied; nothing here throws for the sake of a text.
 */
import { Engine } from './engine.ts';
import { type Examined, examineText, notExamined } from './examine-text.ts';
import { LargeTexts } from './large-texts.ts';

export type { Examined } from './examine-text.ts';

/** Texts up to here are examined on the calling thread. UTF-8 bytes. */
export const MAX_INLINE_BYTES = 8 * 1024;
/** Texts above are refused. UTF-8 bytes. */
export const MAX_STATEMENT_BYTES = 256 * 1024;

const large = new LargeTexts();
let engine: Engine | null = null;
let loading: Promise<void> | null = null;

/** Resolves when `examine` can answer at once. */
export function loadParser(): Promise<void> {
  // In a microtask, so that it never starts on the stack that was just used up.
  loading ??= Promise.resolve()
    .then(() => Engine.create())
    .then((created) => {
      engine = created;
    })
    .finally(() => {
      loading = null;
    });
  return loading;
}

/**
 * What a text would do. An answer at once for a text up to `MAX_INLINE_BYTES`, except in the moments in which a lost
 * instance of the parser is replaced.
 */
export function examine(sql: string): Examined | Promise<Examined> {
  if (sql.includes('\0') || !sql.isWellFormed()) {
    return notExamined({
      code: 'POSTERN_STATEMENT_INVALID',
      reason: 'the statement holds a NUL or half a surrogate pair',
    });
  }
  // A character has at most three bytes, so most texts need no count.
  const bytes = sql.length * 3 <= MAX_INLINE_BYTES ? sql.length : Buffer.byteLength(sql);
  if (bytes > MAX_STATEMENT_BYTES) {
    return notExamined({
      code: 'POSTERN_STATEMENT_TOO_LARGE',
      reason: `the statement is larger than ${MAX_STATEMENT_BYTES / 1024} KiB`,
      hint: 'Split it, pass values as parameters, or use COPY ... FROM STDIN for rows.',
    });
  }
  if (bytes > MAX_INLINE_BYTES) return large.examine(sql);
  if (engine === null) return loadParser().then(() => examine(sql));
  // Taken away while in use: whatever ends the call early, a damaged instance is not used again.
  const current = engine;
  engine = null;
  const { examined, lost } = examineText(current, sql);
  if (lost) void loadParser();
  else engine = current;
  return examined;
}
