import type { Socket } from 'node:net';
import { PosternError } from '../../core/errors.ts';
import type { ResourceView } from '../../core/views.ts';
import { serverEndPoint } from './channel-binding.ts';
import { type Dialled, dial, encrypt, openTcp, tlsOf, within } from './dial.ts';
import { cancelKeyOf, offeredVersion, PROTOCOL_3_2 } from './negotiation.ts';
import { noteBackend, type OwnQuestions, questionsOf } from './own-traces.ts';
import { ScramClient } from './scram-client.ts';
import { ServerError } from './server-error.ts';
import type { SpareConnections } from './spare-connections.ts';
import { Back, cancelRequest, errorFields, FrameReader, PROTOCOL_3_0, startup, WireError } from './wire.ts';

/** A connection to the resource, authenticated and idle. */
export interface Upstream {
  readonly socket: Socket;
  /** Reader with whatever followed ReadyForQuery. */
  readonly reader: FrameReader;
  /** As reported during start-up. */
  readonly parameters: Map<string, string>;
  /** Process id and secret for a cancel request. */
  readonly cancelKey: Buffer;
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or null. */
  readonly tls: string | null;
  /** Where statements of Postern's own through it are counted. */
  readonly own: OwnQuestions;
}

/** @see https://www.postgresql.org/docs/18/errcodes-appendix.html */
const INVALID_PASSWORD = '28P01';
const MAX_CONTROL_MESSAGE = 16 * 1024 * 1024;
const MAX_DATA_MESSAGE = 1024 * 1024 * 1024 + 8;
const KNOWN: ReadonlySet<number> = new Set(Object.values(Back));

/** What a server may send. Rows and COPY data stream through; everything else is held whole and so is limited. */
export const upstreamRules = {
  limit: (type: number): number =>
    !KNOWN.has(type)
      ? 0
      : type === Back.dataRow || type === Back.copyData
        ? MAX_DATA_MESSAGE
        : MAX_CONTROL_MESSAGE,
  streams: (type: number): boolean => type === Back.dataRow || type === Back.copyData,
  skips: (): boolean => false,
};

/** Messages before authentication are small; a server that claims more is lying. */
const handshakeRules = {
  limit: (type: number): number => (KNOWN.has(type) ? 64 * 1024 : 0),
  streams: (): boolean => false,
  skips: (): boolean => false,
};

/**
 * Connects to a resource, encrypts, verifies and authenticates with the injected credential.
 *
 * @param parameters startup parameters besides user and database
 * @param report called as each step is done, for `resource test`
 * @param spares where to take a connection from before one is dialled
 * @throws PosternError POSTERN_UPSTREAM_UNAVAILABLE, whose message never holds a secret
 */
export async function connectUpstream(
  resource: ResourceView,
  database: string,
  parameters: ReadonlyMap<string, string>,
  timeoutMs: number,
  report: (step: string, detail: string) => void = () => undefined,
  spares: SpareConnections | null = null,
): Promise<Upstream> {
  const deadline = Date.now() + timeoutMs;
  if (resource.upstream.unavailable) {
    throw new PosternError(
      'POSTERN_UPSTREAM_UNAVAILABLE',
      `resource "${resource.name}": its password cannot be had at present from where it is kept`,
      `Whoever administers Postern sees why: postern resource show ${resource.name}`,
    );
  }
  const address = `${resource.host}:${resource.port}`;
  const once = (version: number, to: ResourceView): Promise<Upstream> =>
    connectOnce({ resource: to, database, parameters, version, spares }, deadline, report);
  const { user, password, other } = resource.upstream;
  const attempt = async (version: number): Promise<Upstream> => {
    try {
      return await once(version, resource);
    } catch (error) {
      if (!(error instanceof PasswordRefused) || other === undefined) throw error;
      // While one password takes the place of another, the server has one of the two.
      return once(version, { ...resource, upstream: { user, password: other, other: password } });
    }
  };
  if (onlyOld.has(address)) return attempt(PROTOCOL_3_0);
  try {
    return await attempt(PROTOCOL_3_2);
  } catch (error) {
    if (!(error instanceof VersionRefused)) throw error;
    if (onlyOld.size >= MAX_ONLY_OLD) onlyOld.clear();
    onlyOld.add(address);
    return attempt(PROTOCOL_3_0);
  }
}

interface Ask {
  readonly resource: ResourceView;
  readonly database: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Of the protocol, to ask for. */
  readonly version: number;
  readonly spares: SpareConnections | null;
}

/** The server ends the connection instead of negotiating the version: some poolers do. */
class VersionRefused extends PosternError {}

/** The server does not take the password. */
export class PasswordRefused extends PosternError {}

/** Addresses of such servers. To ask them for 3.0 at once takes nothing from a session but the longer cancel key. */
const onlyOld = new Set<string>();
const MAX_ONLY_OLD = 256;

async function connectOnce(
  ask: Ask,
  deadline: number,
  report: (step: string, detail: string) => void,
): Promise<Upstream> {
  const { resource, spares } = ask;
  const spare = spares?.take(resource) ?? null;
  let step = 'authenticate';
  let answered = false;
  const authenticated = async (dialled: Dialled): Promise<Upstream> => {
    try {
      const upstream = await authenticate(dialled, ask, deadline, () => {
        answered = true;
      });
      noteBackend(resource, upstream.cancelKey.readInt32BE(0), dialled.raw);
      return upstream;
    } catch (error) {
      dialled.raw.destroy();
      throw error;
    }
  };
  try {
    if (spare !== null) {
      try {
        return await authenticated(spare);
      } catch (error) {
        // A server that gives up a connection in the moment in which it is needed has decided nothing.
        if (answered) throw error;
      }
    }
    step = 'connect';
    const dialled = await dial(resource, deadline, (done, detail) => {
      step = done === 'connect' && resource.tls.mode !== 'disable' ? 'tls' : 'authenticate';
      report(done, detail);
    });
    const upstream = await authenticated(dialled);
    report(step, `as ${resource.upstream.user}`);
    return upstream;
  } catch (error) {
    if (error instanceof PosternError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const refused = error instanceof ServerError && error.sqlstate === INVALID_PASSWORD;
    const Failure = refused ? PasswordRefused : PosternError;
    throw new Failure('POSTERN_UPSTREAM_UNAVAILABLE', `resource "${resource.name}": ${step} failed: ${why}`);
  }
}

/** Asks a resource to cancel what the session of `key` is running. */
export async function cancelUpstream(resource: ResourceView, key: Buffer, timeoutMs: number): Promise<void> {
  const raw = await openTcp(resource, timeoutMs);
  try {
    const deadline = Date.now() + timeoutMs;
    const socket = resource.tls.mode === 'disable' ? raw : await encrypt(raw, resource, deadline);
    // The server answers by closing, in whatever way; that is when the request has been taken.
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new WireError('no answer in time')),
        Math.max(1, deadline - Date.now()),
      );
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      socket.end(cancelRequest(key));
    });
  } finally {
    raw.destroy();
  }
}

/** Where the SASL exchange stands; each message of the server has one place in it. */
const SASL = { none: 0, asked: 1, challenged: 2, proven: 3 } as const;
type Sasl = (typeof SASL)[keyof typeof SASL];

const OUT_OF_ORDER = 'a message out of order during authentication';
const NOT_PROVEN = 'the server did not prove that it knows the credential';

/** @param onAnswer called when the server has said something */
function authenticate(
  { raw, secure }: Dialled,
  ask: Ask,
  deadline: number,
  onAnswer: () => void,
): Promise<Upstream> {
  const { user, password } = ask.resource.upstream;
  const socket = secure ?? raw;
  const certificate = secure?.getPeerX509Certificate();
  const reader = new FrameReader(handshakeRules);
  const scram = new ScramClient(
    ask.resource,
    password,
    certificate === undefined ? null : serverEndPoint(certificate),
  );
  const reported = new Map<string, string>();
  let version = ask.version;
  let cancelKey: Buffer = Buffer.alloc(8);
  let sasl: Sasl = SASL.none;
  let authenticated = false;
  const turn = (from: Sasl, to: Sasl, otherwise = OUT_OF_ORDER): void => {
    if (sasl !== from) throw new WireError(otherwise);
    sasl = to;
  };

  return within<Upstream>(deadline, socket, (resolve, reject) => {
    let silent = true;
    let ready = false;
    const step = async (): Promise<void> => {
      while (reader.next()) {
        const { type, buffer, start, end } = reader;
        const first = silent;
        silent = false;
        if (type === Back.errorResponse) throw refusalOf(errorFields(buffer, start, end), first, ask);
        if (type === Back.authentication) {
          if (end - start < 9) throw new WireError('a malformed authentication request');
          const kind = buffer.readInt32BE(start + 5);
          const body = buffer.toString('utf8', start + 9, end);
          if (kind === 10) {
            turn(SASL.none, SASL.asked);
            socket.write(scram.first(body.split('\0')));
          } else if (kind === 11) {
            turn(SASL.asked, SASL.challenged);
            socket.write(await scram.final(body));
          } else if (kind === 12) {
            turn(SASL.challenged, SASL.proven, NOT_PROVEN);
            scram.verify(body);
          } else if (kind === 0) {
            // Without the server's signature anyone could sit there.
            if (sasl !== SASL.proven) throw new WireError(NOT_PROVEN);
            authenticated = true;
          } else {
            throw new WireError('the server asks for an authentication method other than SCRAM-SHA-256');
          }
        } else if (type === Back.negotiateProtocolVersion && first) {
          version = offeredVersion(buffer, start, end, version);
        } else if (!authenticated) {
          if (type !== Back.noticeResponse) throw new WireError(OUT_OF_ORDER);
        } else if (type === Back.parameterStatus) {
          const [name = '', value = ''] = buffer.toString('utf8', start + 5, end).split('\0');
          if (reported.size < 256) reported.set(name, value);
        } else if (type === Back.backendKeyData) {
          cancelKey = cancelKeyOf(buffer, start, end, version);
        } else if (type === Back.readyForQuery) {
          socket.off('data', onData);
          ready = true;
          const following = new FrameReader(upstreamRules);
          following.push(reader.rest());
          const tls = secure === null ? null : tlsOf(secure);
          resolve({
            ...{ socket, reader: following, parameters: reported, cancelKey, tls },
            own: questionsOf(ask.resource),
          });
          return;
        }
      }
    };
    const onData = (chunk: Buffer): void => {
      onAnswer();
      reader.push(chunk);
      // A proof takes its time, by the server's choice: what it sends meanwhile waits with it.
      socket.pause();
      step().then(
        () => {
          if (!ready) socket.resume();
        },
        (error: unknown) => reject(error instanceof Error ? error : new WireError(String(error))),
      );
    };
    socket.on('data', onData);
    // A spare one was paused.
    socket.resume();
    socket.write(startup([['user', user], ['database', ask.database], ...ask.parameters], version));
  });
}

/** What the server's refusal means. Said first and of the protocol, it may be the version that is refused. */
function refusalOf(fields: ReadonlyMap<string, string>, first: boolean, ask: Ask): Error {
  const code = fields.get('C') ?? '?';
  const why = `${fields.get('M') ?? 'refused'} (SQLSTATE ${code})`;
  const ofVersion = first && ask.version > PROTOCOL_3_0 && (code === '0A000' || code === '08P01');
  return ofVersion ? new VersionRefused('POSTERN_UPSTREAM_UNAVAILABLE', why) : new ServerError(why, code);
}
