/**
 * Connections to resources on which sessions begin one after the other: dialled and, where the resource asks for it, encrypted and
 * the server verified, before the next session needs one. Nothing is said in one until then: no user, no database, no secret.
 * Each becomes the connection of one session, or is closed.
 */
import type { Socket } from 'node:net';
import type { ResourceView } from '../../core/views.ts';
import { type Dialled, dial } from './dial.ts';

/** How many of a resource are kept. */
const SPARES = 2;
/**
 * How long after a session began others are expected, in milliseconds; then spares are closed. It is far below what PostgreSQL
 * waits for a client to prove itself (`authentication_timeout`, a minute).
 */
const EXPECTED_MS = 5000;
/** Resources of which spares are kept. */
const MAX_PLACES = 256;

interface Place {
  /** Where the connections lead, and how. */
  readonly to: string;
  readonly ready: Spare[];
  dialling: number;
  /** Closes them, and forgets the place, when no session has begun for a while. */
  readonly timer: NodeJS.Timeout;
  closed: boolean;
}

interface Spare {
  readonly dialled: Dialled;
  /** Stops watching over it. */
  readonly release: () => void;
}

export class SpareConnections {
  readonly #places = new Map<string, Place>();
  readonly #expectedMs: number;

  constructor(expectedMs = EXPECTED_MS) {
    this.#expectedMs = expectedMs;
  }

  /** One that leads where the resource is now, if there is one. The caller owns it then. */
  take(resource: ResourceView): Dialled | null {
    const place = this.#places.get(resource.id);
    if (place === undefined) return null;
    if (place.to !== whereTo(resource)) {
      this.#close(resource.id, place);
      return null;
    }
    const spare = place.ready.shift();
    if (spare === undefined) return null;
    spare.release();
    return spare.dialled;
  }

  /** A session has begun. If it is not the first one in a while, others will follow. @param timeoutMs how long dialling may take */
  began(resource: ResourceView, timeoutMs: number): void {
    const to = whereTo(resource);
    let place = this.#places.get(resource.id);
    if (place !== undefined && place.to !== to) {
      this.#close(resource.id, place);
      place = undefined;
    }
    if (place === undefined) {
      if (this.#places.size >= MAX_PLACES) return;
      const timer = setTimeout(() => this.#close(resource.id, made), this.#expectedMs).unref();
      const made: Place = { to, ready: [], dialling: 0, timer, closed: false };
      this.#places.set(resource.id, made);
      return;
    }
    place.timer.refresh();
    while (place.ready.length + place.dialling < SPARES) this.#dial(place, resource, timeoutMs);
  }

  #dial(place: Place, resource: ResourceView, timeoutMs: number): void {
    place.dialling += 1;
    dial(resource, Date.now() + timeoutMs)
      .then((dialled) => {
        if (place.closed) close(dialled);
        else place.ready.push(watched(dialled, (gone) => remove(place.ready, gone)));
      })
      // Why it cannot be reached the next session will be told, which dials by itself.
      .catch(() => undefined)
      .finally(() => {
        place.dialling -= 1;
      });
  }

  #close(id: string, place: Place): void {
    clearTimeout(place.timer);
    place.closed = true;
    if (this.#places.get(id) === place) this.#places.delete(id);
    for (const { dialled, release } of place.ready.splice(0)) {
      release();
      close(dialled);
    }
  }
}

/** Watches over a connection that waits: one that the server ends, or says something in before it was asked, is closed. */
function watched(dialled: Dialled, onGone: (spare: Spare) => void): Spare {
  const socket: Socket = dialled.secure ?? dialled.raw;
  const gone = (): void => {
    spare.release();
    onGone(spare);
    close(dialled);
  };
  const spare: Spare = {
    dialled,
    release: () => {
      socket.pause();
      for (const event of ['data', 'end', 'error', 'close']) socket.off(event, gone);
    },
  };
  for (const event of ['data', 'end', 'error', 'close']) socket.on(event, gone);
  socket.resume();
  return spare;
}

/** Ends it in order: a server that is cut off writes that into its log. */
function close({ raw, secure }: Dialled): void {
  const socket = secure ?? raw;
  for (const each of [socket, raw]) each.on('error', () => raw.destroy());
  socket.resume();
  socket.destroySoon();
}

function remove<T>(from: T[], each: T): void {
  const at = from.indexOf(each);
  if (at !== -1) from.splice(at, 1);
}

const whereTo = ({ host, port, tls }: ResourceView): string => JSON.stringify([host, port, tls]);
