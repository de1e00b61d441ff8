/**
 * The thread that delivers to sinks. It reads the files of the log and writes none of them: a sink that stalls, or this thread as a
 * whole, holds up neither the log nor the gateway.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PublishedLog } from '../../ledger/published-log.ts';
import { faultOf } from './batch.ts';
import { Delivery } from './delivery.ts';
import type { FromSinks, SinkThreadData, ToSinks } from './messages.ts';
import { PositionFile } from './position.ts';
import { type DeliveredSink, senderOf } from './senders.ts';

const port = parentPort;
if (port === null) throw new Error('This file is the start of a worker thread.');
const say = (message: FromSinks): void => port.postMessage(message);
const { dataDir } = workerData as SinkThreadData;
const log = new PublishedLog(join(dataDir, 'log'));
const running = new Map<string, { readonly as: string; readonly delivery: Delivery }>();
let last: Promise<void> = Promise.resolve();

function start({ sink, secret }: DeliveredSink): Delivery {
  return new Delivery({
    id: sink.id,
    from: sink.from,
    log,
    position: new PositionFile(dataDir, sink.id),
    sender: senderOf(dataDir, { sink, secret }),
    onState: (state) => say({ kind: 'state', state }),
  });
}

/** Makes the deliveries those of the sinks that are given. One that stays as it is goes on undisturbed. */
async function configure(sinks: readonly DeliveredSink[]): Promise<void> {
  const wanted = new Map(
    sinks.map((given) => [given.sink.id, { given, as: JSON.stringify([given.sink.target, given.secret]) }]),
  );
  for (const [id, { as, delivery }] of running) {
    if (wanted.get(id)?.as === as) continue;
    running.delete(id);
    await delivery.close();
  }
  for (const [id, { given, as }] of wanted) {
    if (!running.has(id)) running.set(id, { as, delivery: start(given) });
  }
}

port.on('message', (message: ToSinks) => {
  last = last
    .then(() => configure(message.kind === 'configure' ? message.sinks : []))
    .catch((error: unknown) => say({ kind: 'fault', message: faultOf(error).message }));
  last = last.then(() => {
    if (message.kind === 'configure') say({ kind: 'configured', id: message.id });
    else port.close();
  });
});
