/** What a Postern has recorded, read from its log and its payloads as they stand on the disk. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Activity } from '../../src/activity/activity.ts';
import type { ActivityItem } from '../../src/activity/query.ts';
import { Keyring } from '../../src/vault/keyring.ts';
import type { TestPostern } from './postern.ts';
import type { Logged } from './server-log.ts';

export interface Recorded {
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly type: string;
  readonly session: string;
  readonly status: string | null;
  readonly code: string | null;
  readonly text: string;
  readonly parameters: readonly unknown[] | null;
}

export interface RecordedSession {
  /** What the client called itself. */
  readonly application: string;
  readonly session: string;
  /** Intents and denials, oldest first. */
  readonly commands: readonly Recorded[];
}

/** All sessions of a principal with what they did, oldest first. */
export async function sessionsOf(postern: TestPostern, principal: string): Promise<RecordedSession[]> {
  // A record that nothing waits for may stay in its worker for a moment.
  await sleep(60);
  // The API answers when everything journalled before is in the log.
  await postern.call('GET', `/v1/activity?principal=${principal}&limit=1`);
  return await readSessions(postern.dataDir, principal);
}

/** The same from the files alone, of a Postern that need not run. */
export async function readSessions(dataDir: string, principal: string): Promise<RecordedSession[]> {
  const activity = Activity.open({ dataDir, keys: (await Keyring.open({ dataDir })).keys });
  try {
    const sessions = new Map<string, { application: string; session: string; commands: Recorded[] }>();
    for await (const item of all(activity, principal)) {
      if (item.type === 'session.opened') {
        const { client } = activity.record(item.id).record as { client: string | null };
        const session = item.session ?? '';
        sessions.set(session, { application: client ?? '', session, commands: [] });
      } else if (item.type === 'command.intent' || item.type === 'command.denied') {
        sessions.get(item.session ?? '')?.commands.push(recorded(activity, item));
      }
    }
    return [...sessions.values()];
  } finally {
    await activity.close();
  }
}

async function* all(activity: Activity, principal: string): AsyncGenerator<ActivityItem> {
  let cursor: string | undefined;
  do {
    const page = await activity.query({ principal, type: 'all' }, { order: 'asc', limit: 1000, cursor });
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

function recorded(activity: Activity, item: ActivityItem): Recorded {
  const { statement, parameters } = activity.record(item.id);
  return {
    id: item.id,
    at: Date.parse(item.time),
    type: item.type,
    session: item.session ?? '',
    status: item.status,
    code: item.code,
    text: statement ?? '',
    parameters,
  };
}

/**
 * What is wrong between the statements that a server ran in one session and what was recorded of that session; null when
 * every statement that ran has an intent of its own with that very text, written before, in the order in which they ran, and
 * every intent that is said to have ended well did run.
 */
export function contradiction(ran: readonly Logged[], commands: readonly Recorded[]): string | null {
  const intents = commands.filter(({ type }) => type === 'command.intent');
  const texts = ran.filter(({ text }) => !isEmptyStatement(text));
  // reachable[i]: the first `i` statements that ran can belong to the intents seen so far.
  let reachable = new Set([0]);
  for (const intent of intents) {
    const next = new Set<number>();
    for (const at of reachable) {
      const statement = texts[at];
      if (statement !== undefined && statement.text === intent.text && intent.at <= statement.at + 1)
        next.add(at + 1);
      if (intent.status !== 'ok') next.add(at);
    }
    if (next.size === 0) return `intent ${intent.id} (${intent.status}) did not run: ${intent.text}`;
    reachable = next;
  }
  if (reachable.has(texts.length)) return null;
  const best = Math.max(...reachable);
  return (
    `the server ran ${JSON.stringify(texts[best]?.text)} (statement ${best + 1}) without an intent of its own;\n` +
    `ran: ${JSON.stringify(texts.map(({ text }) => text))}\n` +
    `recorded: ${JSON.stringify(intents.map(({ text, status }) => [text, status]))}`
  );
}

/** A text that runs nothing, for which PostgreSQL has a line in its log and Postern no record. */
export function isEmptyStatement(text: string): boolean {
  return (
    text
      .replaceAll(/--[^\n]*|\/\*.*?\*\//gs, '')
      .trim()
      .replaceAll(';', '')
      .trim() === ''
  );
}
