/** Real logs and packages for tests. */
import { hash, randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LedgerService } from '../activity/ledger-service.ts';
import { Story } from '../activity/story.fixture.ts';
import { DataKeys } from '../core/data-keys.ts';
import type { Ref } from '../core/record.ts';
import { JournalWriter } from '../ledger/journal.ts';
import { loadSigner, signNote } from '../ledger/note.ts';
import { type ExportOptions, exportPackage } from './export.ts';
import { FILES, type Manifest, manifestNote } from './format.ts';
import { listFolder } from './zip.ts';

/** A data directory with a log in it, and packages made from it. */
export class Bank {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'postern-evidence-'));
  readonly dataDir: string = join(this.dir, 'data');
  readonly masterKey: Buffer = randomBytes(32);
  readonly keys: DataKeys = DataKeys.of(this.masterKey);
  readonly story = new Story();
  #writer: JournalWriter | null = null;
  #service: LedgerService | null = null;
  #packages = 0;

  async open(): Promise<void> {
    this.#writer = JournalWriter.create(join(this.dataDir, 'journal'), 'worker-0');
    this.#service = await LedgerService.start({ dataDir: this.dataDir, keys: this.keys });
  }

  /** Journals what the story told since and waits until it is in the log. Answers the checkpoint. */
  async log(): Promise<string> {
    for (const { record, payloads } of this.story.told.splice(0)) {
      this.#writer?.append(JSON.stringify(record), payloads);
    }
    this.#writer?.flush();
    await this.#service?.flush();
    return this.#service?.status().checkpoint ?? '';
  }

  get vkey(): string {
    return this.#service?.status().vkey ?? '';
  }

  /** Exports a package into a new folder and answers its path. */
  async export(
    params: ExportOptions['params'],
    previous?: string,
    more: Pick<ExportOptions, 'asOf' | 'cosigned' | 'policy'> = {},
  ): Promise<string> {
    const outDir = join(this.dir, `package-${this.#packages++}`);
    const { dataDir, keys } = this;
    const generatedBy = this.story.ana;
    await exportPackage({ dataDir, keys, params, generatedBy, outDir, previous, ...more });
    return outDir;
  }

  /** Replaces the signing key. The old one signs as well for so many milliseconds. */
  async rotateKey(overlapMs: number): Promise<void> {
    const actor = { kind: 'person', ...this.story.ana } as const;
    await this.#service?.rotateKey({ actor, overlapMs, reason: 'test' });
  }

  /** A copy of a package to be tampered with. */
  copy(of: string): string {
    const to = join(this.dir, `package-${this.#packages++}`);
    cpSync(of, to, { recursive: true });
    return to;
  }

  /** What only the operator could do: makes the manifest fit the files again and signs it with the log's own key. */
  sign(dir: string, change: (manifest: Manifest) => Manifest = (manifest) => manifest): void {
    const manifest = JSON.parse(readFileSync(join(dir, FILES.manifest), 'utf8')) as Manifest;
    const files = listFolder(dir)
      .files.filter((path) => path !== FILES.manifest && path !== FILES.signature)
      .map((path) => {
        const content = readFileSync(join(dir, path));
        return { path, bytes: content.length, sha256: hash('sha256', content) };
      });
    const text = `${JSON.stringify(change({ ...manifest, files }), null, 2)}\n`;
    writeFileSync(join(dir, FILES.manifest), text);
    const signer = loadSigner(join(this.dataDir, 'log', 'log.key'));
    writeFileSync(join(dir, FILES.signature), signNote(manifestNote(hash('sha256', text)), signer));
  }

  async close(): Promise<void> {
    await this.#service?.close();
    this.#writer?.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface Nights {
  readonly batch: Ref;
  readonly other: Ref;
  readonly grant: string;
  readonly session: string;
}

/** Two principals at work, refusals, an unanswered command, a change of owner, a revocation. */
export function tellNights(story: Story, commands = 20): Nights {
  story.people().resource();
  const batch = story.principal('nightly-ledger-batch', 'Books the day <script>alert(1)</script>');
  const other = story.principal('reporting');
  const grant = story.grant(batch);
  const otherGrant = story.grant(other, 'CHG-7');
  const session = story.open(batch, grant, story.credential(batch, grant));
  const otherSession = story.open(other, otherGrant, story.credential(other, otherGrant));
  for (let i = 0; i < commands; i++) {
    const verb = i % 3 === 0 ? 'select' : 'insert';
    story.run(batch, session, grant, verb, `ledger.t${i % 4}`, `${verb} number ${i}`);
    story.run(other, otherSession, otherGrant, 'select', 'ledger.reports', `secret of the other ${i}`);
  }
  story.deny(batch, session, 'select', 'hr.salaries', "=cmd|' /C calc'!A0 -- <img src=x onerror=alert(1)>");
  story.intent(batch, session, grant, 'select', 'ledger.t0', 'select pg_sleep(60)');
  story.handOver(batch, story.ana);
  story.run(batch, session, grant, 'select', 'ledger.t1', 'select \u202e after the hand-over');
  story.close(batch, session, commands + 2, 1);
  story.revoke(batch, grant, 'run ended: exit 0');
  return { batch, other, grant, session };
}
