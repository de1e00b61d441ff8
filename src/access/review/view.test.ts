import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rfc3339 } from '../../core/time.ts';
import type { Alert, Grant, Principal, Review, ReviewItem } from '../../store/entities.ts';
import { reviewView, type UseFacts, type ViewFacts } from './view.ts';

const DAY = 86_400_000_000;
const NOW = Date.parse('2026-11-22T12:00:00Z') * 1000;
const ago = (days: number): string => rfc3339(NOW - days * DAY);
const ref = { id: 'r', name: 'r' };

const GRANT = {
  ...{ id: 'g', principal: ref, resource: ref, scope: 'select on a.*', conditions: {} },
  ...{ start: ago(60), end: ago(-20), authority: { kind: 'approval', approvers: [ref] } },
} as unknown as Grant;
const USE: UseFacts = {
  ...{ resource: ref, commands: 3, unresolved: 0, lastAt: ago(1), rights: [], denied: 0 },
  ...{ unused: [], suggested: null },
};

function facts(over: Partial<ViewFacts> = {}): ViewFacts {
  return {
    item: { id: 'i', grant: 'g' } as ReviewItem,
    review: { ...ref, unusedDays: 30, rehearsal: false, dueAt: ago(-7) } as Review,
    principal: {
      ...{ id: 'p', name: 'batch', owner: ref, backupOwner: null, expiresAt: ago(-90) },
      activeSince: ago(90),
    } as unknown as Principal,
    ownerActive: true,
    grants: [{ grant: GRANT, verbs: ['select'] }],
    uses: [USE],
    denials: [],
    sources: [],
    staticSecrets: [],
    alerts: [],
    lastUsedAt: ago(1),
    shownTo: ref,
    now: NOW,
    ...over,
  };
}

const risks = (over: Partial<ViewFacts>): string[] => reviewView(facts(over)).risks.map(({ kind }) => kind);

test('each standing risk is named, and none where there is none', () => {
  assert.deepEqual(risks({}), []);
  assert.deepEqual(risks({ ownerActive: false }), ['orphaned']);
  assert.deepEqual(risks({ staticSecrets: [ago(-3)] }), ['static_secret']);
  assert.deepEqual(risks({ principal: { ...facts().principal, expiresAt: null } }), ['no_expiry']);
  assert.deepEqual(risks({ grants: [{ grant: GRANT, verbs: ['select', 'drop'] }] }), ['privileged']);
  const emergency = { ...GRANT, authority: { ...GRANT.authority, kind: 'emergency' as const } };
  assert.deepEqual(risks({ grants: [{ grant: emergency, verbs: [] }] }), ['emergency']);
  const alert = { id: 'a', rule: 'denials', values: ['10 in 5 minutes'], count: 1, lastAt: ago(1) } as const;
  assert.deepEqual(risks({ alerts: [alert as unknown as Alert] }), ['alert']);
  const many = Array.from({ length: 30 }, () => alert as unknown as Alert);
  assert.equal(risks({ alerts: many }).length, 21);
  const unused = { verb: 'insert', object: 'a.*' };
  assert.deepEqual(risks({ uses: [{ ...USE, unused: [unused] }] }), ['unused_rights']);
});

test('unused is what is old enough and was not used for so long, by the use of its own subject', () => {
  assert.deepEqual(risks({ uses: [{ ...USE, lastAt: ago(31) }] }), ['unused']);
  assert.deepEqual(risks({ uses: [{ ...USE, lastAt: null }] }), ['unused']);
  assert.deepEqual(risks({ uses: [{ ...USE, lastAt: ago(29) }] }), []);
  const young = { ...GRANT, start: ago(29) };
  assert.deepEqual(risks({ grants: [{ grant: young, verbs: [] }], uses: [{ ...USE, lastAt: null }] }), []);
  const item = { id: 'i', grant: null } as unknown as ReviewItem;
  assert.deepEqual(risks({ item, lastUsedAt: null }), ['unused']);
  assert.deepEqual(risks({ item, lastUsedAt: ago(2), uses: [{ ...USE, lastAt: null }] }), []);
});

test('a network is new beside older ones only, and long lists are cut with what is missing', () => {
  const at = (network: string, first: number) => ({ network, first: ago(first), last: ago(0) });
  assert.deepEqual(risks({ sources: [at('10.0.0.0/24', 5), at('10.1.0.0/24', 80)] }), ['new_source']);
  assert.deepEqual(risks({ sources: [at('10.0.0.0/24', 5)] }), []);
  const right = { verb: 'select', object: 'a.b', commands: 1, lastAt: ago(1) };
  const [used] = reviewView(
    facts({ uses: [{ ...USE, rights: Array.from({ length: 1000 }, () => right) }] }),
  ).used;
  assert.deepEqual([used?.rights.length, used?.more], [200, 800]);
});
