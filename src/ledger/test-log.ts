import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataKeys } from '../core/data-keys.ts';
import type { Payload } from '../core/record.ts';
import type { LeafRecord } from './leaf.ts';
import { PayloadStore } from './payloads.ts';
import { PublishedLog } from './published-log.ts';
import { Sequencer } from './sequencer.ts';
import { type Finding, type VerifySummary, verifyLog } from './verify.ts';

/** What the tests of this folder share: a data directory with a log, and ways to look at it. */

export const KEYS: DataKeys = DataKeys.of(Buffer.alloc(32, 7));

export function temporaryDirectory(): string {
  return fs.mkdtempSync(join(tmpdir(), 'postern-log-'));
}

export interface OpenLog {
  readonly sequencer: Sequencer;
  readonly payloads: PayloadStore;
  close(): void;
}

export function openLog(dir: string, readers: readonly Collector[] = []): OpenLog {
  const payloads = PayloadStore.open(join(dir, 'payloads.db'), KEYS);
  try {
    const sequencer = Sequencer.open({ dir, payloads });
    for (const reader of readers) reader.attach(dir, sequencer);
    return {
      sequencer,
      payloads,
      close: () => {
        for (const reader of readers) reader.attach(dir, null);
        sequencer.close();
        payloads.close();
      },
    };
  } catch (error) {
    payloads.close();
    throw error;
  }
}

/** Steps until there is nothing left, and signs. */
export function drain(sequencer: Sequencer): void {
  while (sequencer.step() > 0);
  sequencer.checkpointNow();
}

interface CollectedLeaf {
  readonly index: number;
  readonly entry: Buffer;
  readonly record: LeafRecord;
}

/** Reads the leaves of a log from its files; of one that is open, signs what there is first. */
export class Collector {
  #dir = '';
  #sequencer: Sequencer | null = null;

  attach(dir: string, sequencer: Sequencer | null): void {
    this.#dir = dir;
    this.#sequencer = sequencer;
  }

  get leaves(): CollectedLeaf[] {
    this.#sequencer?.checkpointNow();
    return this.released;
  }

  /** What is signed already. */
  get released(): CollectedLeaf[] {
    const log = new PublishedLog(join(this.#dir, 'log'));
    return [...log.leaves(0, log.size)].map(({ index, entry }) => {
      return { index, entry, record: JSON.parse(entry.toString()) as LeafRecord };
    });
  }
}

export function commandJson(id: string, principal: string | null, time: string, more: object = {}): string {
  return JSON.stringify({
    id,
    time,
    type: 'command.intent',
    actor: { kind: 'principal', id: principal ?? 'x', name: principal ?? 'x' },
    ...(principal !== null && { principal: { id: principal, name: principal } }),
    ...more,
  });
}

export function statement(text: string): Payload {
  return { kind: 'statement', data: Buffer.from(text) };
}

export function verified(
  dir: string,
  vkey: string,
  from = 0,
): { findings: Finding[]; summary: VerifySummary } {
  const run = verifyLog({ dir: join(dir, 'log'), vkey, from });
  const findings: Finding[] = [];
  for (let next = run.next(); ; next = run.next()) {
    if (next.done) return { findings, summary: next.value };
    findings.push(next.value);
  }
}
