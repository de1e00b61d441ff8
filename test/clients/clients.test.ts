/**
 * Real, unmodified clients: each runs the same script directly against PostgreSQL and through Postern under a full scope, and
 * what it prints must be the same to the byte. Where a scope refuses, scripts print the SQLSTATE alone: the words are ours.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ensureDebianPackages } from '../../scripts/need.ts';
import { CLIENTS, COMMON_STEPS, play } from './clients.ts';
import { ensureNewest } from './newest.ts';
import { assertSameLines, Stage } from './stage.ts';

describe('stock clients hear through Postern what they hear directly', () => {
  let stage: Stage;
  before(async () => {
    ensureDebianPackages(CLIENTS.flatMap(({ needs }) => needs));
    ensureNewest();
    stage = await Stage.start();
  });
  after(() => stage?.stop());

  for (const client of CLIENTS) {
    it(client.name, async (t) => {
      const [direct, through] = await stage.sides(client.name);
      const expected = await play(client, direct);
      const actual = await play(client, through);
      t.diagnostic(expected.stderr.trim());
      const lines = expected.stdout.trimEnd().split('\n');
      assertSameLines(actual.stdout, expected.stdout);
      assert.equal(actual.stderr, expected.stderr);
      const steps = new Set(lines.map((line) => (JSON.parse(line) as { step: string }).step));
      for (const step of [...COMMON_STEPS, ...client.steps, 'end'])
        assert.ok(steps.has(step), `no step ${step}`);
      await stage.refusedOnlySecrets(through.principal);
    });
  }
});
