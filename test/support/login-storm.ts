/** Many clients at once in a thread of their own, so that what they compute does not hold up the one that measures. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { brief, type Door, say, WireClient } from './wire-client.ts';

interface Storm {
  readonly door: Door;
  readonly who: { readonly username: string; readonly password: string };
  readonly database: string;
  readonly clients: number;
  readonly timeoutMs: number;
}

/** All log in at once, ask something, and leave; gives what each heard, in brief. @throws Error when one is not let in */
export function loginStorm(storm: Storm): Promise<string[][]> {
  const thread = new Worker(new URL(import.meta.url), { workerData: storm });
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

if (parentPort !== null) {
  const { door, who, database, clients, timeoutMs } = workerData as Storm;
  const heard = Array.from({ length: clients }, async () => {
    const client = await WireClient.login(door, who, database, [], timeoutMs);
    client.send(say.query('select 1'));
    await client.until((all) => all.at(-1)?.type === 'Z', timeoutMs);
    return { client, heard: client.heard.map(brief) };
  });
  const all = await Promise.all(heard);
  await Promise.all(all.map(({ client }) => client.end()));
  parentPort.postMessage(all.map((each) => each.heard));
}
