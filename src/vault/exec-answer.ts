/** Reads what a program that has a master key answers. Pure; nothing here quotes it. */

export type ExecAnswer = Readonly<Record<string, unknown>>;

/** The JSON object that was printed; null where it is none. */
export function readAnswer(printed: Buffer): ExecAnswer | null {
  try {
    const answer: unknown = JSON.parse(printed.toString('utf8'));
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return null;
    return answer as ExecAnswer;
  } catch {
    // What the parser says may quote the answer.
    return null;
  }
}

/** What it calls its key: 1 to 128 printable characters. */
export const keyIdIn = ({ keyId }: ExecAnswer): string | null =>
  typeof keyId === 'string' && /^[!-~]{1,128}$/.test(keyId) ? keyId : null;

/** The bytes of a field in base64, in its one form; null where there are none. */
export function bytesIn(answer: ExecAnswer, field: string): Buffer | null {
  const text = Object.hasOwn(answer, field) ? answer[field] : undefined;
  const bytes = Buffer.from(typeof text === 'string' ? text : '', 'base64');
  return bytes.length === 0 || bytes.toString('base64') !== text ? null : bytes;
}
