/** Parse, classify and fingerprint one text with one engine: the part that the main thread and the worker share. */
import type { Classified, Refusal } from './classified.ts';
import { classify, refused } from './classify.ts';
import { type Engine, isExhaustion } from './engine.ts';

export interface Examined {
  readonly classified: Classified;
  /** 16 hex digits, equal for statements that differ in literals only; null where there is none. */
  readonly fingerprint: string | null;
}

export function notExamined(refusal: Refusal): Examined {
  return { classified: refused(refusal), fingerprint: null };
}

export const TOO_DEEP: Refusal = {
  code: 'POSTERN_STATEMENT_TOO_LARGE',
  reason: 'the statement is nested too deeply to be examined',
  hint: 'Split it, or pass values as parameters.',
};

/** `lost`: the engine must be thrown away. */
export interface Attempt {
  readonly examined: Examined;
  readonly lost: boolean;
}

export function examineText(engine: Engine, sql: string): Attempt {
  try {
    const parsed = engine.parse(sql);
    if ('error' in parsed) return { examined: notExamined(syntaxRefusal(parsed.error)), lost: false };
    const classified = classifyDeep(parsed.tree);
    const fingerprint = classified.denied === TOO_DEEP ? null : engine.fingerprint(sql);
    return { examined: { classified, fingerprint }, lost: engine.worn };
  } catch (error) {
    // A tree that is no JSON is the parser's fault, and refused as well.
    if (!isExhaustion(error) && !(error instanceof SyntaxError)) throw error;
    return { examined: notExamined(TOO_DEEP), lost: true };
  }
}

/** Running out of stack in our own walk harms no engine. */
function classifyDeep(parseTree: unknown): Classified {
  try {
    return classify(parseTree);
  } catch (error) {
    if (error instanceof RangeError) return refused(TOO_DEEP);
    throw error;
  }
}

function syntaxRefusal({ message, position }: { message: string; position: number }): Refusal {
  if (/stack depth|out of memory|memory exhausted/i.test(message)) return TOO_DEEP;
  return { code: 'POSTERN_STATEMENT_INVALID', reason: message, ...(position > 0 ? { position } : {}) };
}
