/** That no query of a framework is without cases, and no control that was promised without an objective. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testControl } from '../../../access/control.fixture.ts';
import { askOf, type Case } from '../cases.fixture.ts';
import { builtInFramework, builtInLibrary, frameworkIds } from '../library.ts';
import type { ObjectiveKind } from '../types.ts';
import { ACCOUNT_CASES } from './accounts.fixture.ts';
import { ACTIVITY_CASES } from './activity.fixture.ts';
import { EXAMINER_CASES } from './examiners.fixture.ts';
import { LOG_CASES } from './log.fixture.ts';
import { UPSTREAM_CASES } from './upstream.fixture.ts';

const CASES: readonly Case[] = [
  ...ACCOUNT_CASES,
  ...ACTIVITY_CASES,
  ...EXAMINER_CASES,
  ...LOG_CASES,
  ...UPSTREAM_CASES,
];

/** Controls of SP 800-53 about which evidence says something at least, as OSCAL calls them. */
const PROMISED = [
  ...['ac-2', 'ac-2.1', 'ac-2.2', 'ac-2.3', 'ac-2.4', 'ac-2.5', 'ac-2.7', 'ac-2.11', 'ac-2.12', 'ac-2.13'],
  ...['ac-3', 'ac-3.8', 'ac-5', 'ac-6', 'ac-6.1', 'ac-6.2', 'ac-6.5', 'ac-6.7', 'ac-6.9', 'ac-6.10'],
  ...['ac-12', 'ac-17.1', 'ac-17.2', 'ac-24', 'au-2', 'au-3', 'au-3.1', 'au-3.3', 'au-5', 'au-5.2', 'au-6'],
  ...['au-7', 'au-8', 'au-9.2', 'au-9.3', 'au-9.4', 'au-10', 'au-11', 'au-12', 'au-12.1', 'au-12.3'],
  ...['ia-2', 'ia-3', 'ia-4', 'ia-4.4', 'ia-5', 'ia-5.1', 'ia-5.2', 'ia-5.6', 'ia-5.7', 'ia-9'],
  ...['sc-8', 'sc-12', 'sc-23', 'si-4', 'si-7', 'cm-5.1'],
];

/** What setting up brings by itself: people with roles, a log, and rules of how long texts are kept. */
const FROM_THE_BEGINNING = [
  ...[
    'administrators-listed',
    'duties-separated',
    'people-sign-in-by-own-means',
    'machines-do-not-administer',
  ],
  ...['events-selected', 'log-not-lost', 'times-granular', 'times-in-order', 'texts-kept-long-enough'],
];

/** Queries that frameworks ask for objectives of a kind. */
function asked(kind: ObjectiveKind): readonly string[] {
  const controls = frameworkIds().flatMap((id) => builtInFramework(id).controls);
  const objectives = controls.flatMap(({ objectives }) => objectives).filter((one) => one.kind === kind);
  return [...new Set(objectives.flatMap(({ query }) => (query === undefined ? [] : [query.id])))].sort();
}

test('each assertion of a framework has a case in which it passes and one in which it fails, and only one of each', () => {
  assert.deepEqual(CASES.map(({ query }) => query).sort(), asked('assertion'));
});

test('each query of the library is asked by a framework', () => {
  const all = new Set([...asked('assertion'), ...asked('report')]);
  assert.deepEqual([...builtInLibrary().queries.keys()].sort(), [...all].sort());
});

test('each assertion has a case in which nothing is said: a value that is not set, or nothing yet of the kind in a system that was just set up', async (context) => {
  const { sink } = await testControl(context);
  const there: string[] = [];
  for (const { query, parameters = {} } of CASES) {
    for (const unset of Object.keys(parameters)) {
      const { [unset]: _, ...others } = parameters;
      const { outcome, reason } = askOf(sink.written, query, others, 0);
      assert.equal(outcome, 'not_evaluable', query);
      assert.equal(reason, `The institution has not set ${unset}.`, query);
    }
    const { outcome } = askOf(sink.written, query, parameters, 0);
    if (outcome !== 'not_evaluable') there.push(query);
    if (Object.keys(parameters).length === 0)
      assert.equal(askOf([], query, {}, 0).outcome, 'not_evaluable', query);
  }
  assert.deepEqual(there.sort(), [...FROM_THE_BEGINNING].sort());
});

test('each control of SP 800-53 that was promised has an objective, and of AC-2 each part', () => {
  const { controls } = builtInFramework('nist-800-53');
  const objectives = new Map(controls.map(({ id, objectives }) => [id, objectives]));
  for (const id of PROMISED) assert.ok((objectives.get(id)?.length ?? 0) > 0, id);
  const parts = new Set(objectives.get('ac-2')?.map(({ id }) => /^ac-2_obj\.([a-z])/.exec(id)?.[1]));
  assert.deepEqual([...parts].sort().join(''), 'abcdefghijkl');
});
