/** The head of a request, read once and in one way. */
import type { IncomingMessage } from 'node:http';
import { PosternError } from '../../core/errors.ts';
import type { Request } from './exchange.ts';
import { type Headers, headProblem, pairsOf, valuesOf } from './head.ts';
import { VERBS, type Verb } from './scope.ts';
import { readTarget, type Target } from './target.ts';

/** A request whose head has one meaning. */
export interface ReadRequest {
  readonly method: string;
  readonly verb: Verb;
  readonly headers: Headers;
  readonly target: Target;
  /** As the client names it, with its port. */
  readonly host: string;
  readonly hasBody: boolean;
}

const MALFORMED = 'POSTERN_PROTOCOL_VIOLATION';

/**
 * The beginning of a WebSocket. What the scope calls it is not a GET: what is said after it is seen by nobody.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-4.1
 * @throws PosternError
 */
export function readUpgrade(request: IncomingMessage): ReadRequest {
  const read = readRequest(request);
  const [protocol = ''] = valuesOf(read.headers, 'upgrade');
  const [key = ''] = valuesOf(read.headers, 'sec-websocket-key');
  if (protocol.toLowerCase() !== 'websocket' || read.method !== 'GET')
    throw new PosternError(
      'POSTERN_UNSUPPORTED',
      'an upgrade to another protocol than WebSocket is not supported',
    );
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key))
    throw new PosternError(MALFORMED, 'the key of the WebSocket is none');
  return { ...read, verb: 'WEBSOCKET' };
}

/** @throws PosternError where it can be read in more than one way */
export function readRequest(request: Request): ReadRequest {
  const { method = '', httpVersion } = request;
  const headers = pairsOf(request.rawHeaders);
  const why = headProblem(method, httpVersion, headers);
  if (why !== null) throw new PosternError(MALFORMED, why);
  const target = readTarget(request.url ?? '');
  if ('refused' in target) throw new PosternError('POSTERN_STATEMENT_UNSEEN', target.refused);
  const [given] = valuesOf(headers, 'host');
  const authority = 'authority' in request ? request.authority : given;
  const host = (authority ?? '').toLowerCase();
  if (!/^[a-z0-9\-._[\]:]{1,260}$/.test(host)) throw new PosternError(MALFORMED, 'the host is not a name');
  const contradicts =
    (given !== undefined && given.toLowerCase() !== host) ||
    (target.origin !== null && target.origin.authority !== host);
  if (contradicts) throw new PosternError(MALFORMED, 'the request names two hosts');
  if (/[?&]_method=/i.test(target.search))
    throw new PosternError(
      'POSTERN_STATEMENT_UNSEEN',
      'with the parameter _method a server might do something else than was asked for',
    );
  const [type = ''] = valuesOf(headers, 'content-type');
  const isGrpc = method === 'POST' && /^application\/grpc(?!-web)/i.test(type);
  const verb = isGrpc
    ? 'GRPC'
    : VERBS.find((each) => each === method && each !== 'GRPC' && each !== 'WEBSOCKET');
  if (verb === undefined)
    throw new PosternError('POSTERN_UNSUPPORTED', `the method ${method.slice(0, 20)} is not supported`);
  const [length] = valuesOf(headers, 'content-length');
  const hasBody =
    httpVersion === '2.0'
      ? !(request as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders
      : valuesOf(headers, 'transfer-encoding').length > 0 || Number(length ?? 0) > 0;
  return { method, verb, headers, target, host, hasBody };
}
