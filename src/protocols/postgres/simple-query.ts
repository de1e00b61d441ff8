import { statementsIn } from './own-traces.ts';
import { ServerError } from './server-error.ts';
import type { Upstream } from './upstream.ts';
import { Back, errorFields, query, WireError } from './wire.ts';

/** Rows of text values; null is NULL. */
export type TextRows = readonly (readonly (string | null)[])[];

/** Largest answer that is taken, in bytes of rows: the names of about a million relations. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** The least of rows costs more memory than bytes on the wire. */
const MAX_ROWS = 2_000_000;

/** There is no connection any more. */
export class ConnectionLost extends WireError {}

/** How much of an answer is taken. */
interface AnswerLimits {
  readonly rows: number;
  /** Of rows. */
  readonly bytes: number;
}

const LIMITS: AnswerLimits = { rows: MAX_ROWS, bytes: MAX_ANSWER };

/**
 * Runs one of Postern's own questions on an idle upstream connection that no client is using yet.
 *
 * @throws ServerError, ConnectionLost, or WireError when `timeoutMs` is over
 */
export function simpleQuery(
  upstream: Upstream,
  text: string,
  timeoutMs: number,
  limits = LIMITS,
): Promise<TextRows> {
  const { socket, reader } = upstream;
  return new Promise((resolve, reject) => {
    const rows: (string | null)[][] = [];
    let failure: WireError | null = null;
    const stop = (error: Error | null): void => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('close', onClose);
      socket.off('error', onError);
      socket.pause();
      if (error === null) resolve(rows);
      else reject(error);
    };
    const onClose = (): void => stop(new ConnectionLost('the server closed the connection'));
    const onError = (error: Error): void => stop(new ConnectionLost(error.message));
    const timer = setTimeout(() => stop(new WireError('no answer in time')), timeoutMs);
    // Rows arrive in fragments when they span buffers: gather them.
    let partial: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      try {
        reader.push(chunk);
        while (reader.next()) {
          const { type, buffer, start, end } = reader;
          if (type === Back.dataRow) {
            bytes += end - start;
            if (bytes > limits.bytes) throw new WireError(`an answer of over ${limits.bytes} bytes`);
            partial.push(buffer.subarray(start, end));
            if (!reader.last) continue;
            if (rows.length >= limits.rows) throw new WireError(`an answer of over ${limits.rows} rows`);
            rows.push(readDataRow(partial.length === 1 ? (partial[0] as Buffer) : Buffer.concat(partial)));
            partial = [];
          } else if (type === Back.errorResponse) {
            const fields = errorFields(buffer, start, end);
            failure = new ServerError(fields.get('M') ?? 'the query failed', fields.get('C') ?? '');
          } else if (type === Back.parameterStatus) {
            const [name = '', value = ''] = buffer.toString('utf8', start + 5, end).split('\0');
            upstream.parameters.set(name, value);
          } else if (type === Back.readyForQuery) {
            stop(failure);
            return;
          }
        }
      } catch (error) {
        stop(error as Error);
      }
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.once('error', onError);
    upstream.own.asked += statementsIn(text);
    socket.write(query(text));
    socket.resume();
  });
}

/** @see https://www.postgresql.org/docs/18/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-DATAROW */
export function readDataRow(row: Buffer): (string | null)[] {
  if (row.length < 7) throw new WireError('a malformed DataRow');
  const values: (string | null)[] = [];
  let at = 7;
  for (let left = row.readUInt16BE(5); left > 0; left--) {
    if (at + 4 > row.length) throw new WireError('a malformed DataRow');
    const length = row.readInt32BE(at);
    at += 4;
    if (length === -1) {
      values.push(null);
      continue;
    }
    if (length < 0 || at + length > row.length) throw new WireError('a malformed DataRow');
    values.push(row.toString('utf8', at, at + length));
    at += length;
  }
  return values;
}
