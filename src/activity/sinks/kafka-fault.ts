import { faultOf, SinkFault } from './batch.ts';

/** @see https://kafka.apache.org/protocol.html#protocol_error_codes */
const ANSWERS: Readonly<Record<number, string>> = {
  3: 'it has no such topic',
  5: 'the topic has no leader',
  7: 'its replicas did not have it in time',
  10: 'it does not take messages of that size',
  18: 'it does not take messages of that size',
  19: 'too few of its replicas are there',
  20: 'too few of its replicas have it',
  29: 'the user may not write to the topic',
  31: 'the user may not do that',
  58: 'it refuses the user or the password',
};

/** How deep a fault may be within others. */
const DEEPEST = 8;

interface Fault {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  readonly originalError?: unknown;
}

/** What a fault of the client is called: by its kind and number, never by what a broker wrote. */
export function kafkaFault(error: unknown): SinkFault {
  let fault = error as Fault | SinkFault | null | undefined;
  for (let depth = 0; depth < DEEPEST && fault != null; depth++) {
    if (fault instanceof SinkFault) return fault;
    const { name, code } = fault;
    if (name === 'KafkaJSSASLAuthenticationError')
      return new SinkFault('it refuses the user or the password');
    if (name === 'KafkaJSRequestTimeoutError' || name === 'KafkaJSTimeout') {
      return new SinkFault('it did not answer in time');
    }
    if (typeof code === 'number') return new SinkFault(ANSWERS[code] ?? `it answers with the error ${code}`);
    if (typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code)) return faultOf({ code });
    fault = (fault.cause ?? fault.originalError) as Fault | null | undefined;
  }
  return new SinkFault('it could not be reached');
}
