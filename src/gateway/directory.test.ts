import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CredentialView, GrantView, MaskRuleView, PrincipalView } from '../core/views.ts';
import { SnapshotDirectory } from './directory.ts';

const principal: PrincipalView = { id: 'p1', name: 'batch', ownerId: 'o', status: 'active', expiresAt: null };
const grant: GrantView = {
  id: 'g1',
  principalId: 'p1',
  resourceId: 'r1',
  scope: 'select on a.*',
  conditions: {},
  start: 0,
  end: 10_000_000,
  status: 'active',
  endReason: null,
  authority: { kind: 'approval', approvers: [], ticket: null, justification: null },
};
const credential: CredentialView = {
  id: 'c1',
  principalId: 'p1',
  grantId: null,
  kind: 'password',
  expiresAt: 10_000_000,
  status: 'active',
  storedKey: '',
  serverKey: '',
};

describe('SnapshotDirectory', () => {
  it('finds by name and by pair, and replaces rows by id when a delta comes', () => {
    const directory = new SnapshotDirectory({
      version: 1,
      principals: [principal],
      resources: [],
      grants: [grant],
      credentials: [credential],
      masks: [],
    });
    assert.equal(directory.principalByName('batch')?.id, 'p1');
    assert.equal(directory.grantsOf('p1', 'r1').length, 1);
    assert.equal(directory.grantsOf('p1', 'r2').length, 0);
    directory.apply({
      version: 2,
      grants: [{ ...grant, status: 'revoked' }],
      principals: [{ ...principal, status: 'disabled' }],
    });
    assert.deepEqual(
      directory.grantsOf('p1', 'r1').map((each) => each.status),
      ['revoked'],
    );
    assert.equal(directory.principal('p1')?.status, 'disabled');
  });

  it('does not go back: an older delta changes nothing', () => {
    const directory = new SnapshotDirectory({
      version: 5,
      principals: [principal],
      resources: [],
      grants: [{ ...grant, status: 'revoked' }],
      credentials: [],
      masks: [],
    });
    directory.apply({ version: 5, grants: [grant] });
    directory.apply({ version: 4, grants: [grant] });
    assert.equal(directory.grantsOf('p1', 'r1')[0]?.status, 'revoked');
  });

  it('gives the mask rules for a principal on a resource, the same array until a rule changes', () => {
    const rule: MaskRuleView = {
      id: 'm1',
      name: 'everywhere',
      revision: 1,
      resourceId: null,
      principalId: null,
      grantId: null,
      match: { columns: [], names: ['email'], detectors: [] },
      transform: { kind: 'redact' },
      probes: 'deny',
      status: 'active',
    };
    const directory = new SnapshotDirectory({
      version: 1,
      principals: [principal],
      resources: [],
      grants: [],
      credentials: [],
      masks: [rule, { ...rule, id: 'm2', resourceId: 'r2' }, { ...rule, id: 'm3', principalId: 'p2' }],
    });
    const ids = (p: string, r: string): string[] => directory.masksOf(p, r).map(({ id }) => id);
    assert.deepEqual(ids('p1', 'r1'), ['m1']);
    assert.deepEqual(ids('p2', 'r2'), ['m1', 'm2', 'm3']);
    const before = directory.masksOf('p1', 'r1');
    directory.apply({ version: 2, grants: [grant] });
    assert.equal(directory.masksOf('p1', 'r1'), before);
    directory.apply({ version: 3, masks: [{ ...rule, revision: 2 }] });
    assert.equal(directory.masksOf('p1', 'r1')[0]?.revision, 2);
    directory.apply({ version: 4, masks: [{ ...rule, revision: 2, status: 'retired' }] });
    assert.deepEqual(ids('p2', 'r2'), ['m2', 'm3']);
  });

  it('remembers what ended for a while, to say why, and then forgets it', () => {
    const directory = new SnapshotDirectory({
      version: 1,
      principals: [principal],
      resources: [],
      grants: [grant],
      credentials: [credential],
      masks: [],
    });
    directory.forget(10_000_001);
    assert.equal(directory.grantsOf('p1', 'r1').length, 1);
    assert.equal(directory.credentialsOf('p1').length, 1);
    directory.forget(10_000_000 + 3_600_000);
    assert.equal(directory.grantsOf('p1', 'r1').length, 0);
    assert.equal(directory.credential('c1'), undefined);
  });
});
