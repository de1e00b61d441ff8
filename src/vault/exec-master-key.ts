import { timingSafeEqual } from 'node:crypto';
import { PosternError } from '../core/errors.ts';
import { bytesIn, type ExecAnswer, keyIdIn, readAnswer } from './exec-answer.ts';
import type { MasterKey } from './master-key.ts';
import { mustBeSafe, runProgram } from './program.ts';

export const EXEC_PROTOCOL = 'postern-master-key-1';
const DEADLINE_MS = 15_000;
const MAX_ANSWER = 16_384;
const MAX_WRAPPED = 4096;
const KEY_BYTES = 32;

/**
 * A master key that another program has, in a security module or a key service: each operation is one run of the program, with a
 * JSON object on its standard input and one on its standard output (docs/vault.md). What it answers is not trusted: what
 * it wrapped is unwrapped again before it is kept, and the keyring's own seal shows whether what it unwrapped is the right key.
 */
export class ExecMasterKey implements MasterKey {
  readonly id: string;
  readonly provider = 'exec';
  readonly #command: readonly string[];
  readonly #deadlineMs: number;

  private constructor(command: readonly string[], id: string, deadlineMs: number) {
    this.#command = command;
    this.id = id;
    this.#deadlineMs = deadlineMs;
  }

  /** @throws PosternError POSTERN_INVALID where the program is not safe to run, or does not answer as it should */
  static async open(command: readonly string[], deadlineMs = DEADLINE_MS): Promise<ExecMasterKey> {
    try {
      mustBeSafe(command);
    } catch (error) {
      throw failed((error as Error).message);
    }
    const keyId = keyIdIn(await ask(command, { operation: 'key-id' }, deadlineMs));
    if (keyId === null) throw failed('its answer has no "keyId" of 1 to 128 printable characters');
    return new ExecMasterKey(command, keyId, deadlineMs);
  }

  async wrap(key: Buffer): Promise<Buffer> {
    const wrapped = await this.#ask(
      { operation: 'wrap', keyId: this.id, key: key.toString('base64') },
      'wrapped',
    );
    if (wrapped.length === 0 || wrapped.length > MAX_WRAPPED)
      throw failed(`the wrapped key has not 1 to ${MAX_WRAPPED} bytes`);
    if (wrapped.includes(key)) throw failed('the wrapped key holds the key itself');
    const again = await this.unwrap(wrapped);
    const same = timingSafeEqual(again, key);
    again.fill(0);
    if (!same) throw failed('what it unwraps is not what it wrapped');
    return wrapped;
  }

  async unwrap(wrapped: Buffer): Promise<Buffer> {
    const key = await this.#ask(
      { operation: 'unwrap', keyId: this.id, wrapped: wrapped.toString('base64') },
      'key',
    );
    if (key.length !== KEY_BYTES) throw failed(`the unwrapped key has not ${KEY_BYTES} bytes`);
    return key;
  }

  async #ask(request: Readonly<Record<string, string>>, field: string): Promise<Buffer> {
    const bytes = bytesIn(await ask(this.#command, request, this.#deadlineMs), field);
    if (bytes === null) throw failed(`its answer has no "${field}" in base64`);
    return bytes;
  }
}

async function ask(
  command: readonly string[],
  request: Readonly<Record<string, string>>,
  deadlineMs: number,
): Promise<ExecAnswer> {
  const input = `${JSON.stringify({ protocol: EXEC_PROTOCOL, ...request })}\n`;
  let printed: Buffer;
  try {
    printed = await runProgram(command, { input, deadlineMs, maxBytes: MAX_ANSWER });
  } catch (error) {
    throw failed((error as Error).message);
  }
  const answer = readAnswer(printed);
  printed.fill(0);
  if (answer === null) throw failed('its answer is not a JSON object');
  return answer;
}

function failed(why: string): PosternError {
  return new PosternError('POSTERN_INVALID', `The program that has the master key does not serve: ${why}.`);
}
