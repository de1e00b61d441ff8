import { uuidv7 } from '../../src/core/ids.ts';
import type { Payload } from '../../src/core/record.ts';
import { nowMicros, rfc3339 } from '../../src/core/time.ts';

export interface BenchRecord {
  readonly json: string;
  readonly payloads: readonly Payload[] | undefined;
}

/**
 * Makes intents and outcomes as the gateway writes them, from 20 principals with 100 distinct statements.
 *
 * @param withValues whether each statement has bind values of its own
 */
export function recordMaker(withValues: boolean): () => BenchRecord {
  const statements = Array.from({ length: 100 }, (_, i) =>
    Buffer.from(`insert into ledger.entries (account, amount, note) values ($1, $2, $3) /* ${i} */`),
  );
  const session = uuidv7();
  const resource = { id: uuidv7(), name: 'ledger-db' };
  const principals = Array.from({ length: 20 }, (_, i) => ({ id: uuidv7(), name: `nightly-batch-${i}` }));
  let made = 0;
  let intent = '';
  return () => {
    const i = made++;
    const principal = principals[i % principals.length];
    const base = { id: uuidv7(), time: rfc3339(nowMicros()) };
    const actor = { kind: 'principal', ...principal };
    if (i % 2 === 1) {
      const outcome = { status: 'ok', code: 'INSERT 0 1', rows: 1, bytes: 15, durationUs: 180 };
      const record = {
        ...base,
        type: 'command.outcome',
        actor,
        principal,
        session,
        resource,
        intent,
        ...outcome,
      };
      return { json: JSON.stringify(record), payloads: undefined };
    }
    intent = base.id;
    const record = {
      ...base,
      type: 'command.intent',
      actor,
      principal,
      session,
      resource,
      protocol: 'postgres',
      verbs: ['insert', 'select'],
      objects: ['ledger.accounts', 'ledger.entries'],
      fingerprint: 'a0ead580058af585',
      grant: session,
      decision: { effect: 'allow', rule: 'insert, select on ledger.*' },
    };
    const data = statements[i % statements.length] as Buffer;
    const statement: Payload = { kind: 'statement', data };
    if (!withValues) return { json: JSON.stringify(record), payloads: [statement] };
    const values: Payload = { kind: 'parameters', data: Buffer.from(`[{"text":"${i}"},{"text":"7"}]`) };
    return { json: JSON.stringify(record), payloads: [statement, values] };
  };
}
