import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Bank, tellNights } from '../package.fixture.ts';
import { verifyPackage } from '../verify.ts';
import { earlierCheckpoint } from './earlier-checkpoint.ts';

const bank = new Bank();
let first = '';
let second = '';
before(async () => {
  await bank.open();
  tellNights(bank.story, 2);
  first = await bank.log();
  bank.story.principal('another');
  second = await bank.log();
});
after(() => bank.close());

const sizeOf = (note: string): number => Number(note.split('\n')[1]);

test('a package proves that the log continues the package before, and verification checks it', async () => {
  const previous = earlierCheckpoint([first], bank.vkey, sizeOf(second), () => undefined);
  assert.equal(previous, first);
  const dir = await bank.export({}, previous);
  assert.ok(existsSync(join(dir, `consistency/${sizeOf(first)}-${sizeOf(second)}`)));
  assert.equal((await verifyPackage(dir, { vkey: bank.vkey, checkpoint: first })).ok, true);
});

test('the last that is older and signed by a key of today is taken; a log that became shorter is told', () => {
  const told: string[] = [];
  const of = (checkpoints: readonly string[], size = sizeOf(second)) =>
    earlierCheckpoint(checkpoints, bank.vkey, size, (message) => void told.push(message));
  assert.equal(of([]), undefined);
  assert.equal(of([second, first]), first);
  assert.equal(of(['nonsense', first]), first);
  assert.equal(of([first.replace(/\n(\d+)\n/, '\n1\n'), first]), first);
  assert.deepEqual(told, []);
  assert.equal(of([second, first], sizeOf(first)), undefined);
  assert.match(told.join(), /is this an older copy of it/);
});
