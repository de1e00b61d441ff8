import { OCSF_VERSION } from '../ocsf/shapes.ts';
import { microsOf } from '../times.ts';
import type { Batch, Sender, SinkEvent } from './batch.ts';
import { HttpsPost, type HttpsTarget } from './https-post.ts';

/**
 * Posts batches as logs of OpenTelemetry, OTLP over HTTP with JSON. What a receiver rejects of a batch it took is counted and not sent
 * again, as the protocol asks.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export class OtlpSender implements Sender {
  readonly settleMs = 0;
  readonly #post: HttpsPost;

  constructor(target: HttpsTarget, secret: string | null) {
    this.#post = new HttpsPost(target, secret);
  }

  async send({ events }: Batch, signal: AbortSignal): Promise<number> {
    const answer = await this.#post.post(encodeLogs(events), 'application/json', {}, signal);
    return rejectedIn(answer, events.length);
  }

  async close(): Promise<void> {
    this.#post.close();
  }
}

/** The body of a request: `ExportLogsServiceRequest`. */
export function encodeLogs(events: readonly SinkEvent[]): string {
  return JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'postern' } }] },
        scopeLogs: [{ scope: { name: 'ocsf', version: OCSF_VERSION }, logRecords: events.map(recordOf) }],
      },
    ],
  });
}

/** INFO and WARN: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber */
function recordOf({ event, type, time, refused }: SinkEvent): object {
  const nanos = `${microsOf(time)}000`;
  return {
    timeUnixNano: nanos,
    observedTimeUnixNano: nanos,
    severityNumber: refused ? 13 : 9,
    severityText: refused ? 'WARN' : 'INFO',
    eventName: `postern.${type}`,
    body: anyValue(event),
  };
}

/** JSON as an `AnyValue`. Numbers of 64 bits are texts in it. */
function anyValue(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value !== 'object' || value === null) return {};
  const pairs = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return { kvlistValue: { values: pairs.map(([key, inner]) => ({ key, value: anyValue(inner) })) } };
}

/** `partialSuccess.rejectedLogRecords` of an answer, which is a number or a text; 0 where it says nothing of the kind. */
function rejectedIn(answer: string, most: number): number {
  try {
    const { partialSuccess } = JSON.parse(answer) as { partialSuccess?: { rejectedLogRecords?: unknown } };
    const rejected = Number(partialSuccess?.rejectedLogRecords ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? Math.min(rejected, most) : 0;
  } catch {
    return 0; // An answer without a body, or of another kind, rejects nothing.
  }
}
