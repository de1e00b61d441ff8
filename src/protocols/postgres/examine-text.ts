/** Parse, classify and fingerprint one text with one engine: the part that the main thread and the worker share. */
import type { Classified, Refusal } from './classified.ts';
import { classify, refused } from './classify.ts';
import { type Engine, isExhaustion } from './engine.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Lineage } from './lineage.ts';
import { lineageOf } from './lineage-statement.ts';
import { textToExamine } from './tool-texts.ts';
import { isTree, list } from './tree.ts';

export interface Examined {
  readonly classified: Classified;
  /** 16 hex digits, equal for statements that differ in literals only; null where there is none. */
  readonly fingerprint: string | null;
  /** Of each statement, in order; empty where the text is denied. */
  readonly lineage: readonly Lineage[];
}

export function notExamined(refusal: Refusal): Examined {
  return { classified: refused(refusal), fingerprint: null, lineage: [] };
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
    const parsed = engine.parse(textToExamine(sql));
    if ('error' in parsed) return { examined: notExamined(syntaxRefusal(parsed.error)), lost: false };
    const { classified, lineage } = readDeep(parsed.tree);
    const structure = classified.denied === TOO_DEEP ? null : engine.fingerprint(sql);
    const fingerprint = fingerprintOf(structure, classified.accesses);
    return { examined: { classified, fingerprint, lineage }, lost: engine.worn };
  } catch (error) {
    // A tree that is no JSON is the parser's fault, and refused as well.
    if (!isExhaustion(error) && !(error instanceof SyntaxError)) throw error;
    return { examined: notExamined(TOO_DEEP), lost: true };
  }
}

/** Running out of stack in our own walk harms no engine. */
function readDeep(parseTree: unknown): Pick<Examined, 'classified' | 'lineage'> {
  try {
    const classified = classify(parseTree);
    if (classified.denied !== null || !isTree(parseTree)) return { classified, lineage: [] };
    return {
      classified,
      lineage: list(parseTree.stmts).map((raw) => lineageOf(isTree(raw) ? raw.stmt : raw)),
    };
  } catch (error) {
    if (error instanceof RangeError) return { classified: refused(TOO_DEEP), lineage: [] };
    throw error;
  }
}

function syntaxRefusal({ message, position }: { message: string; position: number }): Refusal {
  if (/stack depth|out of memory|memory exhausted/i.test(message)) return TOO_DEEP;
  return { code: 'POSTERN_STATEMENT_INVALID', reason: message, ...(position > 0 ? { position } : {}) };
}
