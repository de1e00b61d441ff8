/** The thread on which long questions are answered, one after the other (see `long-questions.ts`). */
import { parentPort, workerData } from 'node:worker_threads';
import { PosternError } from '../core/errors.ts';
import { namingIndexDamage } from './index-damage.ts';
import { LongReader } from './long-question.ts';
import type { Asked, LongReply } from './long-questions.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const reader = new LongReader(String(workerData));

port.on('message', ({ id, question }: Asked) => {
  let reply: LongReply;
  try {
    reply = { id, answer: namingIndexDamage(() => reader.answer(question)) };
  } catch (error) {
    reply =
      error instanceof PosternError
        ? { id, error: { code: error.code, message: error.message, hint: error.hint } }
        : { id, error: { code: 'POSTERN_INTERNAL', message: String(error), hint: undefined } };
  }
  port.postMessage(reply);
});
