/**
 * Random clients, the same against PostgreSQL and through Postern: they must hear the same, and what PostgreSQL says it ran must
 * be what Postern recorded. `DIFFERENTIAL_SEED` repeats a run, `DIFFERENTIAL_SECONDS` makes it longer. In CI the clients are the
 * same every time: there a change is judged, elsewhere new ground is searched.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bank, type Credential } from './support/bank.ts';
import { randomScript, type Step } from './support/random-script.ts';
import { contradiction, sessionsOf } from './support/recorded.ts';
import { LOG_EVERYTHING, statementsOf } from './support/server-log.ts';
import { brief, type Door, errorText, type Heard, WireClient } from './support/wire-client.ts';

const SEED = Number(process.env.DIFFERENTIAL_SEED ?? (process.env.CI ? 128_346 : Date.now() % 1_000_000));
const SECONDS = Number(process.env.DIFFERENTIAL_SECONDS ?? 10);
/** No answer of a server at hand takes longer to follow the one before. */
const QUIET_MS = 12;
/** Behind the last message of a client nothing may be left, on a busy machine too. */
const QUIET_IN_THE_END_MS = 150;

describe('random clients, directly and through Postern', () => {
  let bank: Bank;
  let everything: Credential;
  let little: Credential;
  let masked: Credential;
  before(async () => {
    bank = await Bank.start({}, { settings: LOG_EVERYTHING });
    for (const database of ['here', 'there']) {
      await bank.server.query(`create database ${database}`);
      await bank.server.query(
        `create schema fuzz; create table fuzz.t (n int); insert into fuzz.t values (1001), (1002), (1003);
         create table fuzz.secret (n int); insert into fuzz.secret values (42);
         grant usage, create on schema fuzz to ledger_app; grant all on all tables in schema fuzz to ledger_app`,
        database,
      );
    }
    everything = await bank.identity(
      'everything',
      'select, insert, copy on fuzz.*; listen, notify on jobs; select on pg_catalog.*',
    );
    little = await bank.identity('little', 'select, insert, copy on fuzz.t');
    masked = await bank.identity(
      'masked',
      'select, insert, copy on fuzz.*; listen, notify on jobs; select on pg_catalog.*',
    );
    // What decides is let through, so that the answers are PostgreSQL's but for the values.
    await bank.postern.call('POST', '/v1/masks', {
      ...{ name: 'numbers', resource: 'ledger-db', principal: 'masked', columns: ['fuzz.t.n'] },
      ...{ transform: { kind: 'redact' }, probes: 'allow' },
    });
  });
  after(() => bank?.stop());

  const gateway = (): Door => ({ ...bank.postern.postgres, ca: bank.postern.caPem });
  const direct = (): Door => ({ host: bank.server.host, port: bank.server.port, ca: bank.server.caPem });
  const upstream = () => ({ username: bank.ledger.user, password: bank.ledger.password });

  async function hearTheSame(t: TestContext, who: () => Credential, shown: Shown): Promise<void> {
    t.diagnostic(`seed ${SEED}`);
    const until = Date.now() + SECONDS * 1000;
    let scripts = 0;
    for (; Date.now() < until; scripts++) {
      const seed = SEED + scripts;
      const script = randomScript(seed, { refused: false });
      const plain = await login(direct(), upstream(), 'here', `plain-${seed}`);
      const counts = await playAndCount(plain, script);
      await untilQuiet(plain, QUIET_IN_THE_END_MS);
      if (isCrash(plain)) {
        t.diagnostic(`seed ${seed} crashes PostgreSQL itself`);
        continue;
      }
      await plain.end();
      const through = await login(gateway(), who(), 'ledger-db/there', `${who().username}-${seed}`);
      const late = await play(through, script, counts);
      const theirs = comparable(plain.heard, shown);
      const complete = through.until((heard) => comparable(heard, shown).length >= theirs.length, 3000);
      await complete.catch(() => undefined);
      await through.end();
      const ours = comparable(through.heard, shown);
      const longer = theirs.length > ours.length ? theirs : ours;
      const at = longer.findIndex((_, index) => !isAlike(theirs[index], ours[index]));
      assert.ok(
        at === -1,
        `seed ${seed}${late}, message ${at}: ${script.map((step) => step.words + (step.pause ? ' .' : '')).join('\n')}\n` +
          `PostgreSQL: ${theirs.slice(0, at + 5).join(', ')}\nPostern: ${ours.slice(0, at + 5).join(', ')}`,
      );
    }
    t.diagnostic(`${scripts} clients`);
    await everyStatementRecorded(who().username);
  }

  it('hear the same, message for message, and nothing runs that was not recorded with its text before', (t) =>
    hearTheSame(t, () => everything, 'kinds'));

  it('hear the same where a column is masked, but for its values', (t) =>
    hearTheSame(t, () => masked, 'values'));

  it('however they are refused, nothing runs that was not recorded with its text before', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const until = Date.now() + SECONDS * 500;
    let scripts = 0;
    for (; Date.now() < until; scripts++) {
      const seed = SEED + scripts;
      const client = await login(gateway(), little, 'ledger-db/there', `refused-${seed}`);
      await playAndCount(client, randomScript(seed, { refused: true }));
      const secrets = client.heard.filter(({ bytes }) => bytes.includes('42') && bytes[0] === 0x44);
      assert.deepEqual(secrets.map(brief), [], `seed ${seed}: rows of a table out of scope`);
      await client.end();
    }
    t.diagnostic(`${scripts} clients`);
    await everyStatementRecorded('little');
    assert.doesNotMatch(bank.postern.running.stderr, /a fault of the gateway|postern: session/);
  });

  async function everyStatementRecorded(principal: string): Promise<void> {
    await sleep(300);
    const logged = Map.groupBy(statementsOf(bank.server), ({ application }) => application);
    const sessions = await sessionsOf(bank.postern, principal);
    assert.ok(sessions.length > 0);
    for (const { application, commands } of sessions) {
      assert.equal(contradiction(logged.get(application) ?? [], commands), null, application);
    }
  }
});

/** Logs in, once PostgreSQL is there again: some scripts crash it, with or without Postern. */
async function login(
  door: Door,
  who: { readonly username: string; readonly password: string },
  database: string,
  application: string,
): Promise<WireClient> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await WireClient.login(door, who, database, [['application_name', application]]);
    } catch (error) {
      if (attempt === 50 || !String(error).includes('57P03')) throw error;
      await sleep(100);
    }
  }
}

/** Whether the server went away without a word. */
function isCrash(client: WireClient): boolean {
  return client.closed && client.error.get('V') !== 'FATAL';
}

/** Says everything, with a pause where the script has one; gives how many messages had come at each pause. */
async function playAndCount(client: WireClient, script: readonly Step[]): Promise<number[]> {
  const counts: number[] = [];
  for (const step of script) {
    if (client.closed) break;
    client.send(...step.messages);
    if (!step.pause) continue;
    counts.push(await untilQuiet(client, QUIET_MS));
  }
  return counts;
}

/** How many messages had come when there was none for so long. */
async function untilQuiet(client: WireClient, ms: number): Promise<number> {
  let seen = -1;
  while (seen !== client.heard.length) {
    seen = client.heard.length;
    await sleep(ms);
  }
  return seen;
}

/** Says everything in pieces of its own, waiting at each pause for as many messages as came before. */
async function play(client: WireClient, script: readonly Step[], counts: readonly number[]): Promise<string> {
  let pause = 0;
  for (const step of script) {
    const bytes = Buffer.concat(step.messages);
    const cut = step.cut % (bytes.length + 1);
    client.send(bytes.subarray(0, cut));
    if (step.cut % 3 === 0) await sleep(1);
    client.send(bytes.subarray(cut));
    if (!step.pause) continue;
    const count = counts[pause++] ?? 0;
    try {
      await client.until((heard) => heard.length >= count, 5000);
    } catch {
      return `, silent at pause ${pause}`;
    }
  }
  return '';
}

/** Errors that Postern gives before the server can: for it they are all reasons not to run a statement in a failed transaction. */
const BEFORE = new Set(['E 25P02', 'E 26000', 'E 34000', 'E 42501', 'E 0A000']);

/** What is compared of the messages: their kinds and codes, or also the values in rows. */
type Shown = 'kinds' | 'values';

/** The same, or a masked value in the place of one that may be masked: a small one may have come from the statement or from the table. */
function isAlike(theirs: string | undefined, ours: string | undefined): boolean {
  return theirs === ours
    ? !/^[Dd] .*100[123]/s.test(ours ?? '')
    : /^[Dd] [1-9]\d*$/.test(theirs ?? '') && ours === `${theirs?.[0]} 0`;
}

/** A row of one column, or a line of COPY, with its value. */
function withValue({ type, bytes }: Heard): string {
  return `${type} ${bytes.toString('utf8', type === 'D' ? 11 : 5).trim()}`;
}

/** Notices, notifications and settings come when they come. */
function comparable(heard: readonly Heard[], shown: Shown): string[] {
  let failed = false;
  // Who talks across COPY data is cut off: by Postern with one error, by PostgreSQL with two.
  const end = heard.findIndex((each) => brief(each) === 'E 08P01' && errorText(each).startsWith('FATAL'));
  return heard
    .slice(0, end === -1 ? undefined : end)
    .filter((each, index) => !'NAS'.includes(each.type) && !(index === end - 1 && brief(each) === 'E 08P01'))
    .map((each) => {
      const words = shown === 'values' && 'Dd'.includes(each.type) ? withValue(each) : brief(each);
      if (each.type === 'Z') failed = words === 'Z E';
      if (failed && BEFORE.has(words)) return 'E in a failed transaction';
      // A name that does not resolve may not be looked at.
      if (words === 'E 42501') return 'E 42P01';
      // Which of two names that mean nothing is noticed first.
      return words === 'E 26000' ? 'E 34000' : words;
    });
}
