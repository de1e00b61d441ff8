/** What connections of this worker leave behind at a server: which of its processes are ours, and how much we ran ourselves. */
import type { Socket } from 'node:net';
import type { ResourceView } from '../../core/views.ts';

/** For how long a connection is remembered that was closed: the server may still show it, or have shown it. */
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;

type Address = Pick<ResourceView, 'host' | 'port'>;

/** Statements of Postern's own that were run with connections of one user. */
export interface OwnQuestions {
  asked: number;
}

interface Server {
  /** By process id: null while the connection is open, else when it was closed. */
  readonly pids: Map<number, number | null>;
  readonly admin: OwnQuestions;
  readonly others: OwnQuestions;
}

const servers = new Map<string, Server>();

function serverOf({ host, port }: Address): Server {
  const key = `${host}:${port}`;
  let server = servers.get(key);
  if (server === undefined) {
    server = { pids: new Map(), admin: { asked: 0 }, others: { asked: 0 } };
    servers.set(key, server);
  }
  return server;
}

/** Where statements of Postern's own are counted that go through a connection as the resource's upstream user. */
export function questionsOf(resource: ResourceView): OwnQuestions {
  const server = serverOf(resource);
  return resource.admin?.user === resource.upstream.user ? server.admin : server.others;
}

/** A connection is there: its process at the server is Postern's. @param pid as BackendKeyData says */
export function noteBackend(address: Address, pid: number, socket: Socket): void {
  const { pids } = serverOf(address);
  if (pids.size >= MAX_REMEMBERED) forget(pids, Date.now());
  pids.set(pid, null);
  socket.once('close', () => pids.set(pid, Date.now()));
}

/** Process ids at a server that are this worker's, or were a moment ago; and what it asked there itself. */
export function tracesAt(address: Address): { pids: number[]; asked: { admin: number; others: number } } {
  const { pids, admin, others } = serverOf(address);
  forget(pids, Date.now());
  return { pids: [...pids.keys()], asked: { admin: admin.asked, others: others.asked } };
}

function forget(pids: Map<number, number | null>, now: number): void {
  for (const [pid, closedAt] of pids) {
    if (closedAt !== null && now - closedAt > REMEMBER_MS) pids.delete(pid);
  }
}

/** How many statements a text of Postern's own holds, at most. */
export const statementsIn = (text: string): number =>
  text.split(';').filter((part) => part.trim() !== '').length;
