import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Attempts, networkOf } from '../core/attempts.ts';
import type { CredentialRefused } from '../core/record.ts';
import { CredentialRefusals } from './credential-refusals.ts';
import { Replays } from './replays.ts';

const NOW = 1_800_000_000_000;

describe('failed attempts', () => {
  it('are counted per address and minute, and then nothing is heard from there', () => {
    const attempts = new Attempts();
    for (let i = 0; i < 30; i++) attempts.failed('192.0.2.1', null, NOW);
    assert.equal(attempts.heard('192.0.2.1', null, NOW), false);
    assert.equal(attempts.heard('::ffff:192.0.2.1', null, NOW), false);
    assert.equal(attempts.heard('192.0.2.2', null, NOW), true);
    assert.equal(attempts.heard('192.0.2.1', null, NOW + 60_000), true);
  });

  it('of many addresses on one name lock nobody out who proved it before', () => {
    const attempts = new Attempts();
    attempts.proven('198.51.100.7', 'deploy', NOW);
    for (let i = 0; i < 100; i++) attempts.failed(`192.0.2.${i}`, 'deploy', NOW);
    assert.equal(attempts.heard('203.0.113.1', 'deploy', NOW), false);
    assert.equal(attempts.heard('203.0.113.1', 'other', NOW), true);
    assert.equal(attempts.heard('198.51.100.7', 'deploy', NOW), true);
    assert.equal(attempts.heard('198.51.100.7', 'deploy', NOW + 25 * 3_600_000), true);
  });

  it('take bounded memory, and addresses beyond it share one account', () => {
    const attempts = new Attempts();
    const address = (i: number): string => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    for (let i = 0; i < 20_000; i++) attempts.failed(address(i), null, NOW);
    assert.equal(attempts.heard('203.0.113.1', null, NOW), true);
    for (let i = 0; i < 300; i++) attempts.failed(address(100_000 + i), null, NOW);
    assert.equal(attempts.heard('203.0.113.1', null, NOW), false);
    assert.equal(attempts.heard('203.0.113.1', null, NOW + 60_001), true);
    attempts.failed('203.0.113.1', null, NOW + 60_001);
    assert.equal(attempts.heard('203.0.113.1', null, NOW + 60_001), true);
  });

  it('of one IPv6 network are of one party', () => {
    assert.equal(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:1:ffff::1'));
    assert.notEqual(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:2::5'));
    assert.equal(networkOf('::1'), '0:0:0:0::/64');
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  });
});

describe('records of refusals', () => {
  const refusal = (source: string) => ({
    ...{ source, principal: null, code: 'POSTERN_UNAUTHORIZED' as const, reason: 'x'.repeat(1000) },
  });

  it('are two for what one address does in a minute, with the number', async () => {
    const written: CredentialRefused[] = [];
    const refusals = new CredentialRefusals(async (record) => void written.push(record));
    for (let i = 0; i < 500; i++) await refusals.note(refusal('192.0.2.1'));
    await refusals.close();
    assert.deepEqual(
      written.map(({ count, source }) => [count, source]),
      [
        [1, '192.0.2.1'],
        [499, '192.0.2.1'],
      ],
    );
    assert.equal(written[0]?.reason.length, 300);
  });

  it('are bounded, from however many addresses', async () => {
    const written: CredentialRefused[] = [];
    const refusals = new CredentialRefusals(async (record) => void written.push(record));
    for (let i = 0; i < 5000; i++) await refusals.note(refusal(`10.0.${i >> 8}.${i & 255}`));
    await refusals.close();
    assert.equal(written.length, 64 + 2);
    assert.equal(written.at(-1)?.source, null);
    assert.equal(
      written.reduce((sum, { count }) => sum + count, 0),
      5000,
    );
  });
});

describe('what is good once', () => {
  it('is taken once, not from before there was a memory, and not when the memory is full', () => {
    const replays = new Replays(NOW, 2);
    assert.equal(replays.first('a', NOW - 1000, NOW + 60_000, NOW), false);
    assert.equal(replays.first('a', NOW, NOW + 60_000, NOW), true);
    assert.equal(replays.first('a', NOW, NOW + 60_000, NOW), false);
    assert.equal(replays.first('b', NOW, NOW + 60_000, NOW), true);
    assert.equal(replays.first('c', NOW, NOW + 60_000, NOW), false);
    assert.equal(replays.first('c', NOW + 60_000, NOW + 120_000, NOW + 60_000), true);
  });
});
