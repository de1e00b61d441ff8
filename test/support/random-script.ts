/** Scripts of random clients: pipelines over a small alphabet, in which names collide as often as possible. */
import { say } from './wire-client.ts';

export interface Step {
  readonly messages: readonly Buffer[];
  /** The messages, for people. */
  readonly words: string;
  /** Wait for what the server has to say. */
  readonly pause: boolean;
  /** Any number: where the bytes may be cut in two. */
  readonly cut: number;
}

const STATEMENTS = ['', 'a', 'b', 'x', 'y'];
/** SQL's EXECUTE names these, so nothing is prepared under them that it may not run through Postern. */
const EXECUTED = new Set(['x', 'y']);
const PORTALS = ['', 'p', 'q'];
/** Portals that are executed, described and closed: cursors of SQL among them. */
const USED = ['', 'p', 'q', 'r'];

const TEXTS = [
  'select 1 as one',
  'select 2 as two',
  'select $1::int + 1',
  'select n from fuzz.t order by n limit 3',
  'select n from fuzz.t where n = $1',
  'insert into fuzz.t values (1)',
  'insert into fuzz.t values ($1)',
  'select 1/(n-n) from fuzz.t',
  'select nothing from fuzz.t',
  'selec',
  '',
  '/* a */ ;',
  'select 1; select 2',
  'insert into fuzz.t values (2); select 1/0',
  'begin; select 3',
  'begin',
  'begin',
  'commit',
  'rollback',
  'rollback and chain',
  'savepoint s',
  'rollback to s',
  'release s',
  'prepare a as select 11',
  'prepare x as select n from fuzz.t',
  'prepare x as select 22',
  'prepare y(int) as select $1',
  'prepare y as insert into fuzz.t values (4)',
  'execute x',
  'execute x',
  'execute y',
  'execute y(7)',
  'deallocate a',
  'deallocate x',
  'deallocate y',
  'deallocate all',
  'discard all',
  'discard plans',
  'declare p cursor for select n from fuzz.t',
  'declare r cursor with hold for select 5',
  'declare r cursor for select 7',
  'declare r cursor for select n from fuzz.t',
  'fetch 1 from r',
  'fetch all from r',
  'move 1 in r',
  'close p',
  'close r',
  'close all',
  'set search_path = fuzz',
  'set local search_path = fuzz',
  'reset search_path',
  'reset all',
  'show search_path',
  'listen jobs',
  `notify jobs, 'x'`,
  'copy fuzz.t to stdout',
  'set transaction isolation level serializable',
];
/** Names without a schema: behind a change of the search path they have to wait for its answer. */
const QUERIES = ['select n from t limit 1', 'copy t to stdout', 'copy t from stdin; select 8'];
/** What is out of scope, and strings after which Postern cannot know what a name means, so that it refuses it. */
const REFUSED = [
  'prepare b as select 33; select 1/0',
  'deallocate x; select 1/0',
  'execute a',
  'execute b',
  'execute a; select n from t',
  'fetch all from q',
  'fetch 1 from p',
  'prepare a as select set_config($$search_path$$, $$fuzz$$, false)',
  'select n from fuzz.secret',
  'insert into fuzz.t select n from fuzz.secret',
  'prepare a as select n from fuzz.secret',
  'declare p cursor for select n from fuzz.secret',
  'select n from secret',
  'set search_path = fuzz; select n from secret',
  'copy fuzz.secret to stdout',
  'drop table fuzz.t',
  'begin; select n from fuzz.secret',
];

/** A script that is the same for the same seed. */
export function randomScript(seed: number, { refused }: { readonly refused: boolean }): Step[] {
  const random = generator(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const texts = refused ? [...TEXTS, ...REFUSED, ...REFUSED] : TEXTS;
  const plain = texts.filter((text) => /^(select|insert)[^;]*$/.test(text));
  const suited = (name: string): readonly string[] => (EXECUTED.has(name) ? plain : texts);
  // PostgreSQL 18.4 itself crashes where the unnamed portal of a failed simple query is executed: only a new one is.
  let unnamed = false;
  // It crashes too where a statement is described that executes or fetches from what was replaced meanwhile.
  const risky = new Set<string>();
  const prepared = (name: string, text: string): void => {
    if (/^(execute|fetch|move)/.test(text)) risky.add(name);
  };
  const extended = (): [Buffer, string] => {
    const name = pick(STATEMENTS);
    const any = pick(PORTALS);
    const used = pick(USED);
    const portal = unnamed ? used : used || 'p';
    // No value that fails to be read: what then stands under the portal's name answers as an empty query.
    const values = pick([[], [], [], ['7'], [null], ['1', '2']]);
    switch (pick('PPPBBBBEEEEDdCcH'.split(''))) {
      case 'P': {
        const text = pick(suited(name));
        prepared(name, text);
        return [say.parse(name, text), `P ${name}=${text}`];
      }
      case 'B':
        if (any === '') unnamed = true;
        return [say.bind(any, name, values), `B ${any}<${name}(${values})`];
      case 'E': {
        const rows = pick([0, 0, 1]);
        return [say.execute(portal, rows), `E ${portal} ${rows}`];
      }
      case 'D':
        if (risky.has(name)) return [say.flush(), 'H'];
        return [say.describe('S', name), `D S ${name}`];
      case 'd':
        // What is left of an unnamed portal in a failed transaction depends on where its statement failed.
        return [say.describe('P', used || 'p'), `D P ${used || 'p'}`];
      case 'C':
        return [say.close('S', name), `C S ${name}`];
      case 'c':
        return [say.close('P', portal), `C P ${portal}`];
      default:
        return [say.flush(), 'H'];
    }
  };
  /** COPY FROM STDIN, with its data sent at once. */
  const copied = (text: string): [Buffer, string] => {
    const data = pick(['', '1\n', 'x\n', '2\n3\n']);
    const end = pick([say.copyDone(), say.copyDone(), say.copyFail('no')]);
    const first = text === '' ? [] : [say.query(text)];
    return [Buffer.concat([...first, say.copyData(data), end]), `${text && 'Q '}${text} <${data.trim()}>`];
  };
  /** What drivers say: one statement from Parse to Execute. */
  const whole = (): [Buffer, string] => {
    const [name, portal] = [pick(STATEMENTS), pick(PORTALS)];
    const copies = random() < 0.1;
    const text = copies && !EXECUTED.has(name) ? 'copy fuzz.t from stdin' : pick(suited(name));
    prepared(name, text);
    const values = text.includes('$1') ? ['7'] : [];
    const parts = [say.parse(name, text), say.bind(portal, name, values), say.execute(portal)];
    if (!text.includes('from stdin')) return [Buffer.concat(parts), `PBE ${portal}<${name}=${text}`];
    // Some drivers send a Sync before the data, which the server then ignores.
    const early = random() < 0.3;
    const [data, words] = copied('');
    if (early) parts.push(say.sync());
    parts.push(data);
    return [Buffer.concat(parts), `PBE ${portal}<${name}=${text}${early ? ' S' : ''}${words}`];
  };
  const step = (): Step => {
    const said: [Buffer, string][] = [];
    const kind = random();
    unnamed = false;
    if (kind < 0.3) {
      for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
        const text = pick([...texts, ...QUERIES]);
        if (text.includes('from stdin')) said.push(copied(text));
        else said.push([say.query(text), `Q ${text}`]);
      }
    } else {
      for (let n = 1 + Math.floor(random() * 5); n > 0; n--) said.push(kind < 0.6 ? whole() : extended());
      if (random() < 0.8) said.push([say.sync(), 'S']);
      else if (random() < 0.5) said.push([say.flush(), 'H']);
    }
    return {
      messages: said.map(([bytes]) => bytes),
      words: said.map(([, words]) => words).join(' | '),
      pause: random() < 0.3,
      cut: Math.floor(random() * 1000),
    };
  };
  const steps = Array.from({ length: 25 }, step);
  return [...steps, { messages: [say.sync()], words: 'S', pause: true, cut: 0 }];
}

/** The bytes with some of them changed, left out or said twice. */
export function mutated(bytes: Buffer, random: () => number): Buffer {
  let out: Buffer = Buffer.from(bytes);
  for (let n = 1 + Math.floor(random() * 4); n > 0; n--) {
    const at = Math.floor(random() * out.length);
    const end = at + Math.floor(random() * 20);
    const kind = random();
    if (kind < 0.5) out[at] = random() < 0.5 ? Math.floor(random() * 256) : (out[at] ?? 0) ^ 1;
    else if (kind < 0.7) out = Buffer.concat([out.subarray(0, at), out.subarray(end)]);
    else if (kind < 0.9) out = Buffer.concat([out.subarray(0, end), out.subarray(at)]);
    else out = out.subarray(0, at);
    if (out.length === 0) return out;
  }
  return out;
}

/** Mulberry32: small, fast, good enough, and the same everywhere. */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
