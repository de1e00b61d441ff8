/** For tests: a control plane in a temporary directory, with an administrator. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Actor } from '../core/record.ts';
import type { Delta } from '../core/views.ts';
import { personActor } from '../identity/persons.ts';
import type { Person } from '../store/entities.ts';
import { MemorySink } from '../store/memory-sink.fixture.ts';
import { Control, type ControlOptions } from './control.ts';
import type { NewResource } from './resources.ts';

export interface TestControl {
  readonly control: Control;
  readonly sink: MemorySink;
  readonly deltas: Delta[];
  readonly dataDir: string;
  readonly admin: Person;
  readonly actor: Actor;
  readonly token: string;
}

export const UPSTREAM_PASSWORD = 'upstream-secret-Zq81';

export const RESOURCE: NewResource = {
  name: 'ledger-db',
  protocol: 'postgres',
  host: 'db.internal',
  port: 5432,
  database: 'bank',
  tls: { mode: 'verify-full' },
  environment: 'production',
  classification: 'confidential',
  upstream: { user: 'ledger_app', password: UPSTREAM_PASSWORD },
};

export async function testControl(
  context: TestContext,
  options: Partial<ControlOptions> = {},
): Promise<TestControl> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'postern-control-'));
  const sink = new MemorySink();
  const deltas: Delta[] = [];
  const control = await Control.open({
    dataDir,
    sink,
    publish: async (delta) => {
      deltas.push(delta);
    },
    ...options,
  });
  context.after(async () => {
    await control.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const setupToken = await control.setup.mint();
  const { person: admin, token } = await control.setup.complete(
    setupToken ?? '',
    'Ada Admin',
    'ada@example.org',
  );
  // A data directory of an earlier start has her already.
  if ((await control.persons.list({ limit: 2 })).length === 1) {
    const bea = { name: 'Bea Backup', email: 'bea@example.org', roles: ['owner'] } as const;
    await control.persons.create(personActor(admin), bea);
  }
  return {
    control,
    sink,
    deltas,
    dataDir,
    admin,
    actor: personActor(admin),
    token,
  };
}
