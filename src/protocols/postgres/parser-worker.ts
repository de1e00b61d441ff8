/** Examines large texts on a thread with a large stack, one after the other. After a lost engine the thread ends. */
import { parentPort } from 'node:worker_threads';
import { Engine } from './engine.ts';
import { examineText } from './examine-text.ts';

if (parentPort === null) throw new Error('parser-worker runs as a worker thread only');
const port = parentPort;
const engine = await Engine.create();
port.on('message', (sql: string) => {
  const { examined, lost } = examineText(engine, sql);
  port.postMessage(examined);
  if (lost) port.close();
});
