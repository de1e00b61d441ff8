import * as http from 'node:http';
import * as https from 'node:https';
import type { WitnessAnswer, WitnessLogs } from './witness-logs.ts';
import { MAX_SUBMISSION_BYTES } from './witness-protocol.ts';

export interface WitnessServerOptions {
  readonly logs: WitnessLogs;
  /** PEM. Without it the witness speaks plain HTTP: what it says is signed, and nothing of it is secret. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** How long a client may take for a whole request. Default 10,000. */
  readonly requestMs?: number;
  readonly say: (message: string) => void;
}

const MAX_CONNECTIONS = 256;
const PATH = '/add-checkpoint';

/** The witness over HTTP: `POST /add-checkpoint` and nothing else. Listening and closing are the caller's. */
export function witnessServer(options: WitnessServerOptions): http.Server | https.Server {
  const requestTimeout = options.requestMs ?? 10_000;
  const limits: http.ServerOptions = {
    requestTimeout,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: Math.min(1000, requestTimeout),
    keepAliveTimeout: 60_000,
    maxHeaderSize: 8192,
  };
  const handle = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    take(request, response, options);
  };
  const server = options.tls
    ? https.createServer({ ...limits, ...options.tls, minVersion: 'TLSv1.2' }, handle)
    : http.createServer(limits, handle);
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function take(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { logs, say }: WitnessServerOptions,
): void {
  const refused = refusalOf(request);
  if (refused) {
    // The rest of the body is not waited for.
    response.shouldKeepAlive = false;
    answer(response, refused);
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_SUBMISSION_BYTES) chunks.push(chunk);
    else if (!response.headersSent) {
      response.shouldKeepAlive = false;
      answer(response, TOO_LARGE);
    }
  });
  request.on('end', () => {
    if (response.headersSent) return;
    try {
      answer(response, logs.submit(Buffer.concat(chunks).toString('utf8')));
    } catch (error) {
      say(`the checkpoint could not be kept, so it was not cosigned: ${String(error)}`);
      answer(response, plain(500, 'The witness cannot keep the checkpoint at present.'));
    }
  });
  // A client that goes away in the middle has said nothing.
  request.on('error', () => response.destroy());
}

function plain(status: number, reason: string): WitnessAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${reason}\n` };
}

const TOO_LARGE = plain(413, 'A submission is not that large.');

function refusalOf({ url, method, headers }: http.IncomingMessage): WitnessAnswer | null {
  if (url !== PATH) return plain(404, 'There is only add-checkpoint here.');
  if (method !== 'POST') return plain(405, 'A checkpoint is posted.');
  return Number(headers['content-length'] ?? 0) > MAX_SUBMISSION_BYTES ? TOO_LARGE : null;
}

function answer(response: http.ServerResponse, { status, type, body }: WitnessAnswer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
