/** Compares what a resource says of itself with what Postern knows: who can log in, who is connected, how much ran. Pure. */
import type { AccountSeen, ConnectionSeen, OwnTraces, UpstreamFacts } from '../../core/upstream-facts.ts';
import type { Unmanaged } from '../../store/entities.ts';

/** What Postern itself knows of a server, about the time at which it was asked. */
export interface OwnFacts {
  /** User names of the resources at that server: those of sessions, and administering ones. */
  readonly users: readonly string[];
  readonly admins: readonly string[];
  /** Of every worker, before and after the server was asked; null where one did not answer. */
  readonly traces: readonly OwnTraces[] | null;
}

/** Something that is there and is not Postern's. */
export type Found = Pick<Unmanaged, 'kind' | 'key' | 'subject' | 'details'>;

export interface Compared {
  readonly found: readonly Found[];
  /** What could not be seen or compared, a sentence each. */
  readonly bounds: readonly string[];
  /** Whether all accounts were seen, so that what is not among them is gone. */
  readonly allAccounts: boolean;
  /** Connections of Postern's that were running something. */
  readonly busy: number;
}

/** Names, addresses and databases that are kept of connections that are one finding. */
const KEPT = 5;

export function compare(facts: UpstreamFacts, own: OwnFacts): Compared {
  const bounds: string[] = [];
  const accounts = facts.accounts.filter((account) => !isOwn(account, own));
  if (facts.accounts.every(({ password }) => password === null)) {
    bounds.push(`${facts.user} may not see whether accounts have passwords.`);
  }
  if (facts.cut) bounds.push('There are more accounts or connections than are looked at.');
  const pids = new Set(own.traces?.flatMap((each) => each.pids) ?? []);
  const foreign = foreignConnections(facts, own, pids, bounds);
  const connected = new Set(facts.connections.map(({ user }) => user));
  return {
    found: [
      ...accounts.map((account) => foundAccount(account, facts, connected)),
      ...foundConnections(foreign),
    ],
    bounds,
    allAccounts: !facts.cut,
    busy: facts.connections.filter(({ pid, active }) => active && pids.has(pid)).length,
  };
}

/** The users that Postern itself logs in as, and the roles of sessions that are open. A mark that was copied makes no role Postern's. */
function isOwn(account: AccountSeen, { users, admins, traces }: OwnFacts): boolean {
  if (users.includes(account.name) || admins.includes(account.name)) return true;
  const { mark } = account;
  if (mark === null || mark === 'other') return false;
  const mayMore = account.superuser || account.createRole || account.createDb || account.replication;
  // Where a worker did not answer its sessions are not known: the mark has to do, for this once.
  const live = traces === null || traces.some(({ roles }) => roles.includes(mark.session));
  return live && !mayMore && !account.bypassRls;
}

function foreignConnections(
  facts: UpstreamFacts,
  own: OwnFacts,
  pids: ReadonlySet<number>,
  bounds: string[],
): readonly ConnectionSeen[] {
  if (own.traces === null) {
    bounds.push('Connections were not compared: a gateway worker did not answer.');
    return [];
  }
  if (facts.pooled) {
    bounds.push('Connections were not compared: a pooler stands between, which hides the process ids.');
    return [];
  }
  if (!facts.seesConnections) {
    bounds.push(
      `Of others' connections ${facts.user} sees the user, the database and the name alone, helpers of parallel queries with them, and no replication.`,
    );
  }
  return facts.connections.filter(({ pid }) => !pids.has(pid));
}

function foundAccount(
  account: AccountSeen,
  { at, statements }: UpstreamFacts,
  connected: ReadonlySet<string>,
): Found {
  const { name, mark, oid, ...rights } = account;
  const ran = statements?.calls.find((each) => each.oid === oid)?.calls ?? null;
  return {
    kind: 'account',
    // Whoever is dropped and made anew under the same name is another.
    key: `${oid} ${name}`,
    subject: name,
    details: {
      ...rights,
      mark: mark === null ? null : mark === 'other' ? 'another Postern' : 'a session that is not open',
      connectedAt: connected.has(name) ? at : null,
      ran,
    },
  };
}

/** One finding for each user and address: a pool of connections, or one that comes and goes, is one thing. */
function foundConnections(foreign: readonly ConnectionSeen[]): Found[] {
  const groups = new Map<string, ConnectionSeen[]>();
  for (const each of foreign) {
    const key = `${each.user} ${each.client ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups].map(([key, all]) => {
    const [{ user, client }] = all as [ConnectionSeen];
    return {
      kind: 'connection',
      key,
      subject: `${user} from ${client ?? 'an address that is not seen'}`,
      details: {
        user,
        client,
        connections: all.length,
        applications: distinct(all.map(({ application }) => application)),
        databases: distinct(all.flatMap(({ database }) => database ?? [])),
        startedAt: all.flatMap(({ startedAt }) => startedAt ?? []).sort()[0] ?? null,
      },
    };
  });
}

const distinct = (values: readonly string[]): string[] => [...new Set(values)].sort().slice(0, KEPT);
