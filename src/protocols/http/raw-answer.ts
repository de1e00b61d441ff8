import type { Duplex } from 'node:stream';
import { type Answer, type NativeError, problem } from './errors.ts';

/** For a client whose request is none that could be answered in order. */
export function answerRaw(socket: Duplex, error: NativeError): void {
  const { status, headers, body }: Answer = problem(error);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${error.code}\r\n${lines}connection: close\r\n\r\n${body}`);
}
