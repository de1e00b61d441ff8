/** For tests: Assertions about people, about what is enforced, and about the log itself. */
import type { Case, World } from '../cases.fixture.ts';

const nothing = async (): Promise<void> => undefined;
const changed = (w: World, days: number) => w.control.retention.set(w.actor, { statements: days });

/** A record of nobody's change, by somebody. */
function told(
  w: World,
  type: 'ledger.recovered' | 'ledger.opened' | 'payload.erased',
  rest: object,
): Promise<string> {
  return w.tell(type, { id: '01900000-0000-7000-8000-00000000000a', name: 'batch' }, rest);
}

export const LOG_CASES: readonly Case[] = [
  {
    query: 'administrators-listed',
    parameters: { administrators: ['ada@example.org', 'Alan@example.org'] },
    good: nothing,
    bad: (w) =>
      w.control.persons.create(w.actor, { name: 'Zoe', email: 'zoe@example.org', roles: ['admin'] }),
    names: 'zoe@example.org',
  },
  {
    query: 'duties-separated',
    parameters: { 'incompatible-roles': ['auditor+owner'] },
    good: nothing,
    bad: (w) => w.control.persons.update(w.actor, w.people.anna.id, { roles: ['auditor', 'owner'] }, 'both'),
    names: '"otherRole":"owner"',
  },
  {
    query: 'changes-by-authorised',
    good: (w) => changed(w, 100),
    bad: (w) =>
      w.control.retention.set({ kind: 'person', id: w.people.anna.id, name: 'Anna' }, { statements: 1 }),
    names: '"actor":"Anna"',
  },
  {
    query: 'log-administrators',
    good: (w) => changed(w, 100),
    bad: (w) =>
      w.control.retention.set({ kind: 'person', id: w.people.anna.id, name: 'Anna' }, { statements: 1 }),
    names: '"actor":"Anna"',
  },
  {
    query: 'machines-do-not-administer',
    good: nothing,
    bad: async (w) => {
      const actor = { kind: 'principal', ...(await w.ref('batch')) } as const;
      await w.control.principals.suspend(actor, 'reports', 'because I can');
    },
    names: '"actor":"batch"',
  },
  {
    query: 'account-changes-have-actor',
    good: nothing,
    bad: (w) => w.control.principals.suspend({ kind: 'person', id: '', name: '' }, 'batch', 'why'),
    names: '"type":"principal.suspended"',
  },
  {
    query: 'log-not-lost',
    good: nothing,
    bad: (w) =>
      told(w, 'ledger.recovered', {
        lost: [{ file: 'worker-0-1.journal', from: 0, to: 10, reason: 'torn', bytes: 10 }],
      }),
    names: '"kind":"lost"',
  },
  {
    query: 'erasures-explained',
    good: (w) => erased(w, 'asked for by the person', '2026-01-05'),
    bad: (w) => erased(w, ' ', '2026-01-06'),
    names: '2026-01-06',
  },
  {
    query: 'texts-kept-long-enough',
    parameters: { 'retention-days': 100 },
    good: (w) => changed(w, 100),
    bad: (w) => changed(w, 99),
    names: 'statements 99 days',
  },
  {
    query: 'events-selected',
    parameters: { 'logged-events': ['grant.activated', 'retention.changed'] },
    good: (w) => changed(w, 100),
    bad: async (w) => {
      for (const [at, json] of w.sink.written.entries())
        if (json.includes('retention.changed')) w.sink.written.splice(at, 1);
    },
    names: 'retention.changed',
  },
  {
    query: 'times-granular',
    parameters: { 'time-granularity-microseconds': 1000 },
    good: nothing,
    bad: async (w) => {
      w.sink.written.push((w.sink.written.at(-1) ?? '').replace(/"time":"([^"]{19})[^"]*"/, '"time":"$1Z"'));
    },
    names: 'Z"',
  },
  {
    query: 'times-in-order',
    good: nothing,
    bad: async (w) => {
      w.sink.written.push(
        (w.sink.written.at(-1) ?? '').replace(/"time":"[^"]*"/, '"time":"2026-01-01T00:00:00.000000Z"'),
      );
    },
    names: '2026-01-01T00:00:00.000000Z',
  },
  {
    query: 'log-key-age',
    parameters: { 'key-longest-days': 365 },
    good: (w) => told(w, 'ledger.opened', { vkey: 'x' }),
    bad: nothing,
    badDays: 366,
    names: 'ledger.opened',
  },
  {
    query: 'people-sign-in-by-own-means',
    good: async (w) => {
      for (const { id, roles } of await w.control.persons.list({ limit: 100 })) {
        if (roles.length > 0 && id !== w.admin.id)
          await w.control.persons.disable(w.actor, id, 'not of this test');
      }
      await signsIn(w, w.admin.id);
    },
    bad: (w) =>
      w.control.persons.create(w.actor, { name: 'Zoe', email: 'zoe@example.org', roles: ['admin'] }),
    names: '"name":"Zoe"',
  },
];

function erased(w: World, reason: string, day: string): Promise<string> {
  const erasure = {
    day,
    kinds: ['statement'],
    payloads: 1,
    commitments: null,
    record: null,
    cause: 'request',
  };
  return told(w, 'payload.erased', { erasure, reason });
}

async function signsIn(w: World, person: string): Promise<void> {
  const id = '01900000-0000-7000-8000-00000000000b';
  const after = {
    id,
    person: { id: person, name: 'Ada Admin' },
    kind: 'passkey',
    label: 'key',
    status: 'active',
  };
  const change = { entity: 'authenticator', id, before: null, after };
  w.sink.append(
    JSON.stringify({
      ...{ id, time: '2026-11-22T00:00:00.000000Z', type: 'authenticator.added' },
      actor: w.actor,
      change,
    }),
  );
  w.sink.flush();
}
