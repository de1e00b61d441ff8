import { join } from 'node:path';
import type { Sink } from '../../store/entities.ts';
import type { Sender } from './batch.ts';
import { FileSender } from './file-sender.ts';
import { HttpsSender } from './https-sender.ts';
import { KafkaSender } from './kafka-sender.ts';
import { OtlpSender } from './otlp-sender.ts';
import { SyslogSender } from './syslog-sender.ts';

/** A sink with its secret, as it goes to the thread that delivers to it. */
export interface DeliveredSink {
  readonly sink: Sink;
  readonly secret: string | null;
}

/** Files go below the data directory: who may add a sink may not write anywhere else. */
export function folderOf(dataDir: string, { name }: Sink): string {
  return join(dataDir, 'sinks', name);
}

/** What brings events to a sink. Nothing is opened before the first are sent. */
export function senderOf(dataDir: string, { sink, secret }: DeliveredSink): Sender {
  const { target } = sink;
  switch (target.kind) {
    case 'file':
      return new FileSender(folderOf(dataDir, sink), target);
    case 'https':
      return new HttpsSender(target, secret);
    case 'otlp':
      return new OtlpSender(target, secret);
    case 'syslog':
      return new SyslogSender(target, secret);
    case 'kafka':
      return new KafkaSender(target, secret);
  }
}
