import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Finding } from '../../core/alert-finding.ts';
import {
  type AlertRuleName,
  changedSetting,
  type Parameters,
  STANDARD_SETTINGS,
} from '../../core/alert-rules.ts';
import { rfc3339 } from '../../core/time.ts';
import { Detector } from './detector.ts';
import { profileFrom, profileText } from './profile.ts';
import type { InForce } from './voice.ts';
import { Watch } from './watch.ts';

const BEGIN = Date.UTC(2026, 8, 1, 2) * 1000;
const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const RULES: InForce = { rules: STANDARD_SETTINGS, expected: [] };

const ref = (name: string) => ({ id: `id-${name}`, name });
const BATCH = ref('batch');

/** A log in the making: records become leaves, and what is found is kept. */
class Story {
  readonly entries: string[] = [];
  readonly found: Finding[] = [];
  detector: Detector;
  watch: Watch;
  now = BEGIN;
  principal = BATCH;

  constructor(inForce: InForce | null = RULES) {
    this.detector = new Detector(new Map(), inForce);
    this.watch = new Watch(this.detector, 0);
  }

  add(type: string, more: object, at = this.now): number {
    const leaf = this.entries.length;
    const id = `0195e1a0-0000-7000-8000-${String(leaf).padStart(12, '0')}`;
    const record = { id, time: rfc3339(at), type, actor: ref('x'), principal: this.principal, ...more };
    this.entries.push(`{"v":1,"leaf":${leaf},"principalSeq":1,${JSON.stringify(record).slice(1)}`);
    this.watch.take({ index: leaf, entry: Buffer.from(this.entries[leaf] as string) });
    this.found.push(...this.detector.voice.found);
    this.detector.voice.found = [];
    return leaf;
  }

  open(session = 's1', source = '192.0.2.7:5000', client: string | null = 'ledger-job'): number {
    return this.add('session.opened', { session, source, client, resource: ref('ledger-db') });
  }

  run(
    objects: readonly string[] = ['ledger.entries'],
    verbs = ['select'],
    session = 's1',
    text = 'f',
  ): number {
    const what = { session, resource: ref('ledger-db'), verbs, objects, fingerprint: text };
    return this.add('command.intent', { ...what, grant: 'g', decision: { effect: 'allow', rule: 'r' } });
  }

  deny(code = 'POSTERN_SCOPE_DENIED', session = 's1'): number {
    const what = { session, resource: ref('ledger-db'), verbs: ['drop'], objects: ['ledger.entries'] };
    return this.add('command.denied', { ...what, decision: { effect: 'deny', code, reason: 'no' } });
  }

  close(session = 's1'): number {
    return this.add('session.closed', { session, resource: ref('ledger-db'), reason: 'client' });
  }

  /** As a job that runs each day for so many days. */
  days(n: number): this {
    for (let i = 0; i < n; i++) {
      this.open();
      this.run();
      this.close();
      this.now += DAY;
    }
    return this;
  }

  of(rule: AlertRuleName): Finding[] {
    return this.found.filter((finding) => finding.rule === rule);
  }
}

function ruled(rule: AlertRuleName, change: { enabled?: boolean; parameters?: Parameters }): InForce {
  return {
    ...RULES,
    rules: { ...STANDARD_SETTINGS, [rule]: changedSetting(rule, STANDARD_SETTINGS[rule], change) },
  };
}

describe('first uses', () => {
  it('are learnt for a week, and found from then on: verb, object, network, hour and client', () => {
    const story = new Story().days(8);
    assert.equal(story.found.length, 0);
    story.now += 5 * HOUR;
    const opened = story.open('s2', '198.51.100.9:1', 'other-job 7');
    const ran = story.run(['ledger.entries', 'hr.salaries'], ['select', 'update'], 's2');
    const said = Object.fromEntries(story.found.map((each) => [each.rule, [each.values, each.leaves]]));
    assert.deepEqual(said, {
      first_hour: [['07:00'], [opened]],
      first_network: [['198.51.100.0/24'], [opened]],
      first_client: [['other-job #'], [opened]],
      first_verb: [['update'], [ran]],
      first_object: [['hr.salaries'], [ran]],
    });
    story.run(['hr.salaries'], ['update'], 's2');
    assert.equal(story.found.length, 5, 'what was found is known from then on');
  });

  it('are found again after a window without them', () => {
    const story = new Story().days(8);
    story.run(['hr.salaries']);
    story.now += 31 * DAY;
    story.run(['hr.salaries']);
    assert.equal(story.of('first_object').length, 2);
  });

  it('of one who learns slowly are found each, however slowly', () => {
    const story = new Story().days(8);
    for (let i = 0; i < 10; i++) {
      story.run([`hr.table_${i}`]);
      story.days(3);
    }
    assert.deepEqual(
      story.of('first_object').flatMap(({ values }) => values),
      Array.from({ length: 10 }, (_, i) => `hr.table_${i}`),
    );
  });

  it('do not include what was refused: trying teaches nothing', () => {
    const story = new Story().days(8);
    story.open();
    story.deny();
    story.run(['ledger.entries'], ['drop']);
    assert.deepEqual(
      story.of('first_verb').map(({ values }) => values),
      [['drop']],
    );
  });

  it('are learnt anew on a resource on which it was never used', () => {
    const story = new Story().days(8);
    story.open();
    const what = { session: 's1', resource: ref('hr-db'), grant: 'g', fingerprint: null };
    story.add('command.intent', { ...what, verbs: ['delete'], objects: ['hr.people'] });
    assert.equal(story.found.length, 0);
  });

  it('are not made known for ever by a clock that was ahead, nor learnt for ever', () => {
    const ahead = new Story();
    ahead.now += 4000 * DAY;
    ahead.open();
    ahead.run(['hr.salaries']);
    ahead.now = BEGIN;
    ahead.days(9);
    ahead.run(['hr.other']);
    assert.deepEqual(
      ahead.of('first_object').map(({ values }) => values),
      [['hr.other']],
    );
    const jumped = new Story().days(8);
    jumped.now += 4000 * DAY;
    jumped.run(['hr.salaries']);
    jumped.now -= 4000 * DAY;
    jumped.run(['hr.salaries']);
    jumped.now += 31 * DAY;
    jumped.run(['hr.salaries']);
    assert.equal(jumped.of('first_object').filter(({ values }) => values.includes('hr.salaries')).length, 2);
  });
});

describe('denials', () => {
  it('are found when there are many of them in a short time, with the leaves that were refused', () => {
    const story = new Story();
    story.open();
    const leaves = Array.from({ length: 10 }, () => {
      story.now += MINUTE / 4;
      return story.deny();
    });
    assert.deepEqual(
      story.of('denials').map((each) => each.leaves),
      [leaves],
    );
    const slow = new Story();
    slow.open();
    for (let i = 0; i < 40; i++) {
      slow.now += MINUTE;
      slow.deny();
    }
    assert.deepEqual(slow.of('denials'), []);
  });

  it('by somebody who only names the principal are told from its own', () => {
    const story = new Story();
    const more = { session: 's', source: '203.0.113.9:1', reason: 'no' };
    for (let i = 0; i < 2; i++) {
      story.add('session.refused', { ...more, code: 'POSTERN_AUTH_FAILED', repeated: 15 });
    }
    assert.equal(story.of('denials').length, 0);
    assert.equal(story.of('failed_logins').length, 1);
    for (let i = 0; i < 10; i++) story.add('session.refused', { ...more, code: 'POSTERN_GRANT_MISSING' });
    assert.equal(story.of('denials').length, 1);
  });
});

describe('use from two networks at once', () => {
  it('is found when a session is opened while one elsewhere is in use, and when a resting one is used again', () => {
    const story = new Story().days(8);
    const first = story.open('s1', '192.0.2.7:1');
    const second = story.open('s2', '192.0.3.7:1');
    assert.deepEqual(
      story.of('concurrent').map(({ values, leaves }) => [values, leaves]),
      [[['192.0.2.0/24 + 192.0.3.0/24'], [first, second]]],
    );
    const rested = new Story().days(8);
    rested.open('s1', '192.0.2.7:1');
    rested.now += 20 * MINUTE;
    rested.open('s2', '192.0.3.7:1');
    assert.deepEqual(rested.of('concurrent'), []);
    rested.run(undefined, undefined, 's1');
    assert.equal(rested.of('concurrent').length, 1);
  });

  it('is none after a session was closed, or Postern was started anew', () => {
    for (const end of ['session.closed', 'service.started']) {
      const story = new Story().days(8);
      story.open('s1', '192.0.2.7:1');
      story.add(end, { session: 's1' });
      story.open('s2', '192.0.3.7:1');
      assert.deepEqual(story.of('concurrent'), []);
    }
  });
});

describe('what looks like a person', () => {
  it('is a client that people use, from the first day on', () => {
    const story = new Story();
    story.open('s1', '192.0.2.7:1', 'DBeaver 24.1 - Main');
    story.open('s2', '192.0.2.7:1', 'psql');
    story.open('s3', '192.0.2.7:1', 'psqlodbc-job');
    assert.deepEqual(
      story.of('human_client').flatMap(({ values }) => values),
      ['DBeaver #.# - Main', 'psql'],
    );
  });

  it('is a session of different statements, irregularly and seconds apart, with mistakes', () => {
    const gaps = [4, 31, 9, 70, 3, 17, 120, 6, 45, 8, 22, 90, 5];
    const typed = (pace: readonly number[], mistakes: boolean, texts = pace.length): Finding[] => {
      const story = new Story();
      story.open();
      for (const [i, gap] of pace.entries()) {
        story.now += gap * 1_000_000;
        const leaf = story.run(undefined, undefined, 's1', `text-${i % texts}`);
        const own = { intent: story.entries[leaf]?.slice(30, 66), status: 'error', code: '42P01' };
        if (mistakes && i % 3 === 0) story.add('command.outcome', { session: 's1', ...own });
      }
      return story.of('human_pace');
    };
    assert.equal(typed(gaps, true).length, 1);
    assert.equal(typed(gaps, false).length, 0, 'without mistakes');
    assert.equal(
      typed(
        gaps.map(() => 10),
        true,
      ).length,
      0,
      'by a timer',
    );
    assert.equal(
      typed(
        gaps.map((gap) => gap / 1000),
        true,
      ).length,
      0,
      'too fast',
    );
    assert.equal(typed(gaps, true, 2).length, 0, 'the same two again and again');
  });
});

describe('what is found', () => {
  it('is said at once, then ever more seldom, and by how often', () => {
    const story = new Story();
    for (let i = 0; i < 100; i++) story.open(`s${i}`, '192.0.2.7:1', 'psql');
    const said = story.of('human_client');
    assert.deepEqual(
      said.map(({ count }) => count),
      [1, 1, 1, 1, 4, 8, 16, 32],
    );
  });

  it('of too many things in an hour is said in one, and hides neither a cloned key nor what was said already', () => {
    const story = new Story(ruled('flood', { parameters: { perHour: 2 } })).days(8);
    story.now += 5 * HOUR;
    story.open('s2', '198.51.100.9:1', 'psql');
    story.run(['hr.salaries'], ['update'], 's2');
    story.add('binding.locked', { change: { entity: 'binding', id: 'b1', before: {}, after: {} } });
    const rules = story.found.map(({ rule }) => rule);
    assert.deepEqual(rules, ['first_hour', 'first_network', 'flood', 'flood', 'flood', 'cloned_key']);
    story.run(['hr.salaries'], ['update'], 's2');
    story.now += HOUR;
    story.open('s3', '198.51.101.9:1', 'psql');
    assert.ok(
      story.found.slice(6).some(({ rule }) => rule === 'first_network'),
      'the next hour is another',
    );
  });

  it('is nothing before the rules are in force, and nothing by a rule that is off or of what is expected', () => {
    const silent = new Story(null);
    silent.open('s1', '192.0.2.7:1', 'psql');
    assert.deepEqual(silent.found, []);
    const after = { id: 'alert_rules', ...RULES };
    silent.add('config.changed', {
      change: { entity: 'alert_rules', id: 'alert_rules', before: null, after },
    });
    silent.open('s2', '192.0.2.7:1', 'psql');
    assert.equal(silent.found.length, 1);
    const off = new Story(ruled('human_client', { enabled: false }));
    off.open('s1', '192.0.2.7:1', 'psql');
    assert.deepEqual(off.found, []);
    const expected = [{ rule: 'human_client', principal: BATCH.id, value: 'psql' }] as const;
    const expecting = new Story({ ...RULES, expected });
    expecting.open('s1', '192.0.2.7:1', 'psql');
    expecting.principal = ref('other');
    expecting.open('s2', '192.0.2.7:1', 'psql');
    assert.deepEqual(
      expecting.found.map(({ principal }) => principal.name),
      ['other'],
    );
  });

  it('is of leaves of the principal alone', () => {
    const story = new Story().days(8);
    story.principal = ref('mallory');
    story.days(8);
    for (let i = 0; i < 30; i++) story.deny();
    story.run(['hr.salaries'], ['update']);
    assert.ok(story.found.length > 0);
    for (const { principal, leaves } of story.found) {
      assert.equal(principal.name, 'mallory');
      for (const leaf of leaves)
        assert.match(story.entries[leaf] as string, /"principal":\{"id":"id-mallory"/);
    }
  });
});

const event = fc.record({
  what: fc.constantFrom('open', 'run', 'deny', 'close', 'outcome', 'refused', 'start', 'locked', 'rules'),
  who: fc.nat(2),
  n: fc.nat(5),
  pass: fc.constantFrom(0, 1000, MINUTE, HOUR, DAY, 40 * DAY, -DAY, -HOUR),
});

describe('the same leaves', () => {
  it('give the same findings, however they are divided and after whatever restarts', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.array(fc.nat(120)), (events, cuts) => {
        const rules = ruled('first_object', { parameters: { learningDays: 1, windowDays: 3 } });
        const story = new Story(rules);
        for (const { what, who, n, pass } of events) {
          story.now += pass;
          story.principal = ref(`p${who}`);
          if (what === 'open') story.open(`s${who}${n}`, `192.0.${n}.1:1`, n === 0 ? 'psql' : `job ${n}`);
          else if (what === 'run') story.run([`t.t${n}`], [n > 3 ? 'update' : 'select'], `s${who}${n}`);
          else if (what === 'deny') for (let i = 0; i < n * 3; i++) story.deny(undefined, `s${who}${n}`);
          else if (what === 'close') story.close(`s${who}${n}`);
          else if (what === 'outcome')
            story.add('command.outcome', { session: `s${who}${n}`, status: 'error', code: '42601' });
          else if (what === 'refused')
            story.add('session.refused', { code: 'POSTERN_AUTH_FAILED', repeated: n });
          else if (what === 'start') story.add('service.started', { principal: undefined });
          else if (what === 'locked') story.add(`binding.locked`, { change: { id: `b${n}` } });
          else {
            const after = ruled('denials', { parameters: { count: n + 2 } });
            story.add('config.changed', { change: { entity: 'alert_rules', after } });
          }
        }
        const found: Finding[] = [];
        let detector = new Detector(new Map(), rules);
        let watch = new Watch(detector, 0);
        for (const [index, entry] of story.entries.entries()) {
          if (cuts.includes(index)) {
            const kept = [...detector.profiles.values()].map((each) => profileFrom(profileText(each)));
            detector = new Detector(new Map(kept.map((each) => [each.id, each])), detector.voice.inForce);
            watch = new Watch(detector, watch.lastTime);
          }
          watch.take({ index, entry: Buffer.from(entry) });
          found.push(...detector.voice.found);
          detector.voice.found = [];
        }
        assert.deepEqual(found, story.found);
        for (const { leaves, leaf, values } of found) {
          assert.ok(leaves.length > 0 && leaves.length <= 20 && values.length <= 20);
          assert.ok(leaves.every((each) => each <= leaf));
        }
      }),
    );
  });
});
