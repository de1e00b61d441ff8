/** Assertions that examiners ask for: what management reviewed, third parties, emergencies, who answers for resources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testCases, world } from '../cases.fixture.ts';
import { EXAMINER_CASES, looks, PRIVILEGED, truncates } from './examiners.fixture.ts';

testCases(EXAMINER_CASES);

test('a day in several reviews counts as reviewed where they meet, and not where something is between them', async (context) => {
  const w = await world(context);
  await truncates(w);
  const half = w.sink.written.length - 1;
  await truncates(w);
  const end = w.sink.written.length - 1;
  await looks(w, w.people.rita, 0, half - 2);
  await looks(w, w.people.rolf, half, end);
  const outcome = (): string => w.ask('privileged-commands-reviewed', PRIVILEGED).outcome;
  assert.equal(outcome(), 'fail');
  await looks(w, w.people.max, half - 1, half - 1);
  assert.equal(outcome(), 'pass');
});

test('nothing is said of privileged commands before the institution says what is privileged', async (context) => {
  const w = await world(context);
  await truncates(w);
  assert.equal(w.ask('privileged-commands-reviewed').outcome, 'not_evaluable');
});
