import type { SinkRecord } from '../core/record.ts';
import type { Telling } from '../notify/outbox.ts';
import { clockText } from './tellings.ts';

/**
 * What administrators are told of a sink: that it fails, and that it does no longer, once for each time. Null where there is nothing
 * that they have to know.
 */
export function sinkTelling({
  type,
  sink,
  delivery,
}: SinkRecord): Omit<Telling, 'people' | 'principal'> | null {
  const { failingSince, fault } = delivery;
  if (type === 'sink.delivered' || failingSince === undefined) return null;
  const fields = { sink: sink.name, since: clockText(failingSince) };
  return {
    kind: type,
    event: `${type} ${sink.id} ${failingSince}`,
    fields: type === 'sink.failed' ? { ...fields, fault: fault ?? 'it does not take events' } : fields,
  };
}
