/**
 * How long right-sizing takes in a long history: `npm run bench -- right-size [--commands N] [--dir DIR] [--json]`.
 *
 * The index is filled by its own code with commands of forty principals on five resources (intent and outcome each): one has more
 * than half of them, in 2,500 kinds of statement; the others 200 kinds each. Kinds are used unevenly. One in seven has several verbs on
 * several tables, so that the text of one such statement is parsed. Asked is what `postern principal right-size` asks, without reading
 * texts from the log: the smallest scope, and which granted rights were not used; and the same for everybody, as a back-test does.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { smallestScope, unusedOf } from '../src/access/scopes.ts';
import { ActivityIndex } from '../src/activity/activity-index.ts';
import type { ObservedClass } from '../src/activity/observed.ts';
import { ActivityQuery } from '../src/activity/query.ts';
import { uuidv7 } from '../src/core/ids.ts';
import type { Ref } from '../src/core/record.ts';
import { rfc3339 } from '../src/core/time.ts';
import { entryHead } from '../src/ledger/entry.ts';

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '10000000' },
    dir: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});

const BATCH = 65_536;
const START = 1_795_289_400_000_000;
/** Commands of one session. */
const SESSION = 5000;
const TABLES = 400;

interface Statement {
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
  readonly fingerprint: string;
  readonly text: string;
}

interface Worker {
  readonly principal: Ref;
  readonly resource: Ref;
  readonly statements: readonly Statement[];
}

const table = (n: number): string => `s${n % 12}.t${n % TABLES}`;

function statement(n: number): Statement {
  const fingerprint = n.toString(16).padStart(16, '0');
  const [a, b, c] = [table(n * 7), table(n * 13 + 1), table(n * 29 + 2)] as const;
  if (n % 7 === 0) {
    const text = `insert into ${a} select x.* from ${b} x join ${c} y on x.id = y.id where x.n = ${n}`;
    return { verbs: ['insert', 'select'], objects: [...new Set([a, b, c])], fingerprint, text };
  }
  if (n % 4 === 0) {
    return { verbs: ['select'], objects: [...new Set([a, b, c])], fingerprint, text: `select 1 -- ${n}` };
  }
  const verb = ['select', 'insert', 'update', 'delete', 'select'][n % 5] as string;
  return { verbs: [verb], objects: [a], fingerprint, text: `${verb} ${n}` };
}

const ref = (name: string): Ref => ({ id: uuidv7(), name });

function workers(): Worker[] {
  const resources = Array.from({ length: 5 }, (_, n) => ref(`db-${n}`));
  return Array.from({ length: 40 }, (_, n) => ({
    principal: ref(`principal-${n}`),
    resource: resources[n % 5] as Ref,
    statements: Array.from({ length: n === 0 ? 2500 : 200 }, (__, k) => statement(n * 211 + k)),
  }));
}

/** Everybody with the same chance of few, some kinds often and most of them rarely. @param random 0 to 1 */
const pick = <T>(from: readonly T[], random: number): T => from[Math.floor(from.length * random ** 3)] as T;

/** The same sequence in every run. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randoms(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function fill(file: string, all: readonly Worker[], commands: number): void {
  const index = ActivityIndex.open(file);
  const random = randoms();
  const sessions = new Map<Worker, { id: string; grant: string; left: number }>();
  let leaf = 0;
  let batch: { index: number; entry: Buffer }[] = [];
  const add = (principal: boolean, record: object): void => {
    const text =
      entryHead(leaf, principal ? leaf + 1 : undefined, undefined) + JSON.stringify(record).slice(1);
    batch.push({ index: leaf, entry: Buffer.from(text) });
    leaf += 1;
    if (batch.length < BATCH) return;
    index.consume(batch);
    batch = [];
  };
  for (let n = 0; n < commands; n++) {
    const worker = random() < 0.4 ? (all[0] as Worker) : pick(all, random());
    let session = sessions.get(worker);
    if (session === undefined || session.left === 0) {
      session = { id: uuidv7(), grant: uuidv7(), left: SESSION };
      sessions.set(worker, session);
    }
    session.left -= 1;
    const { principal, resource, statements } = worker;
    const { verbs, objects, fingerprint } = pick(statements, random());
    const actor = { kind: 'principal', ...principal };
    const base = { time: rfc3339(START + n * 700), actor, principal, session: session.id };
    const id = uuidv7();
    add(true, {
      ...{ id, type: 'command.intent', ...base, resource, grant: session.grant },
      ...{ authority: 'CHG-1', verbs, objects, fingerprint, decision: { effect: 'allow', rule: 'x' } },
    });
    add(true, {
      ...{ id: uuidv7(), type: 'command.outcome', ...base, intent: id, status: 'ok', code: 'SELECT' },
      ...{ rows: 1, bytes: 40, durationUs: 900 },
    });
  }
  index.consume(batch);
  index.close();
}

async function timed<T>(
  work: () => Promise<T> | T,
): Promise<{ readonly seconds: number; readonly result: T }> {
  const since = performance.now();
  const result = await work();
  return { seconds: (performance.now() - since) / 1000, result };
}

async function sized(seen: readonly ObservedClass[], texts: ReadonlyMap<string, string>) {
  const used = await smallestScope(
    { protocol: 'postgres', catalogAccess: 'tools' },
    seen.map(({ verbs, objects, allowed, fingerprint }) => ({
      ...{ verbs, objects, commands: allowed },
      text: async () => texts.get(fingerprint ?? '') ?? null,
    })),
  );
  const granted = 'select, insert, update, delete on s0.*; select on s1.t*; all on archive.*';
  return { ...used, unused: unusedOf([granted], used) };
}

const commands = Number(values.commands);
const folder = mkdtempSync(join(values.dir, 'postern-right-size-'));
try {
  const all = workers();
  const texts = new Map(
    all.flatMap((each) => each.statements.map(({ fingerprint, text }) => [fingerprint, text])),
  );
  const file = join(folder, 'index.db');
  const filled = await timed(() => fill(file, all, commands));
  const query = ActivityQuery.open(file);
  const most = (all[0] as Worker).principal.id;
  const since = rfc3339(START);
  const one = await timed(async () => sized(query.observed({ principal: most, since }), texts));
  const everybody = await timed(async () => {
    let classes = 0;
    for (const { principal } of all) {
      const seen = query.observed({ principal: principal.id, since });
      classes += seen.length;
      await sized(seen, texts);
    }
    return classes;
  });
  query.close();
  const result = {
    commands,
    fillSeconds: filled.seconds,
    indexMiB: statSync(file).size / 2 ** 20,
    one: { seconds: one.seconds, commands: one.result.commands, unresolved: one.result.unresolved },
    everybody: { seconds: everybody.seconds, classes: everybody.result },
  };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(
      `${commands} commands, filled in ${filled.seconds.toFixed(0)} s, index of ${result.indexMiB.toFixed(0)} MiB\n` +
        `right-size of one principal with ${one.result.commands} commands: ${one.seconds.toFixed(2)} s (${one.result.unresolved} unresolved)\n` +
        `of all 40, ${everybody.result} kinds of statement: ${everybody.seconds.toFixed(2)} s\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
