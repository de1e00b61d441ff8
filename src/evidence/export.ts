/**
 * The evidence room: what an examiner takes away. Everything in a package follows from the leaves of the log (and the
 * texts from the payloads they commit to); the activity index and the state tables have no part in it.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OCSF_VERSION } from '../activity/ocsf/shapes.ts';
import { microsOf } from '../activity/times.ts';
import type { DataKeys } from '../core/data-keys.ts';
import { PosternError } from '../core/errors.ts';
import type { Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { type Checkpoint, openCheckpoint } from '../ledger/checkpoint.ts';
import { logSigners } from '../ledger/log-key.ts';
import { type NoteVerifier, parseVerifierKeys, signNote, splitNote } from '../ledger/note.ts';
import { PayloadStore } from '../ledger/payloads.ts';
import { cachingReader, consistencyProof, formatTlogProof, inclusionProof } from '../ledger/proof.ts';
import { TileStore } from '../ledger/tiles.ts';
import type { ChosenFramework } from './assess/choose.ts';
import { CommandSummary } from './assess/command-summary.ts';
import { recordRow } from './assess/record-rows.ts';
import { TableOut } from './assess/table-files.ts';
import { RECORDS_TABLE } from './assess/tables.ts';
import type { Framework, Period } from './assess/types.ts';
import { COMMANDS_HEADER, CommandTexts } from './command-texts.ts';
import { Commands } from './commands.ts';
import { derive } from './derived.ts';
import { folderHost } from './folder-files.ts';
import {
  FILES,
  FORMAT,
  type Manifest,
  manifestNote,
  PARTS,
  type Parameters,
  type Part,
  RENDERER,
  type TextMode,
} from './format.ts';
import { HOW_TO_VERIFY } from './how-to-verify.ts';
import { PackageWriter } from './package-writer.ts';
import { writeParts } from './parts/parts.ts';
import { PayloadOpener } from './payload-opener.ts';
import { putPopulations, putSummary } from './population-files.ts';
import { populationIndex } from './population-index.ts';
import { Populations } from './populations.ts';
import { type ReportFacts, renderReport } from './report.ts';
import { ReportTally } from './report-tally.ts';
import { allLeaves, leavesOfPrincipal, type ReadLeaf, resolve } from './selection.ts';
import { copyTiles } from './tile-files.ts';
import { verifyPage } from './verify-page/asset.ts';

export interface ExportOptions {
  readonly dataDir: string;
  readonly keys: DataKeys;
  readonly params: {
    /** Id or name. With it, the package shows this principal and nobody else. */
    readonly principal?: string | undefined;
    /** Id or name. */
    readonly resource?: string | undefined;
    /** RFC 3339, inclusive. */
    readonly since?: string | undefined;
    /** RFC 3339, exclusive. */
    readonly until?: string | undefined;
    /** What is shown of statements and bind values; default `full`. */
    readonly statements?: TextMode | undefined;
    /** The activity in other forms besides. */
    readonly parts?: readonly Part[] | undefined;
    /** Instead of `since` and `until`. */
    readonly period?: Period | undefined;
    /** With it, the package has an assessment of the period. */
    readonly framework?: ChosenFramework | undefined;
  };
  readonly generatedBy: Ref;
  /** A new or empty folder. */
  readonly outDir: string;
  /** A signed checkpoint that the reader holds from before: the package then proves that the log only grew since. */
  readonly previous?: string | undefined;
  /** A signed checkpoint with cosignatures: the package is of the log as of it. Without it, as of the last. */
  readonly asOf?: string | undefined;
  /** The last checkpoint with cosignatures, where that is an earlier one: the package proves that the log continues it. */
  readonly cosigned?: string | undefined;
  /** The policy that names the witnesses, as text. */
  readonly policy?: string | null;
  /** Text of the log's signing keys where they are not in `log/log.key`. */
  readonly logKey?: string | null;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Leaves between two pauses, in which the process can do its other work. */
const PAUSE = 256;
/** Grants whose activation gets a proof file of its own; every other leaf is proved by the tiles as well. */
const PROOFS = 1000;

/**
 * Writes an evidence package of the log as of its last checkpoint. Flush the ledger first to have what is newest.
 *
 * @throws PosternError POSTERN_NOT_FOUND for an unknown principal or resource, POSTERN_INVALID for a time or
 * checkpoint that is none, POSTERN_CONFLICT for a folder that is not empty
 */
export async function exportPackage(
  options: ExportOptions,
): Promise<{ readonly manifest: Manifest; readonly records: Manifest['counts'] }> {
  const { dataDir, params, generatedBy } = options;
  const logDir = join(dataDir, 'log');
  const vkey = readFileSync(join(logDir, 'log.vkey'), 'utf8').trim();
  const note = options.asOf ?? readFileSync(join(logDir, 'checkpoint'), 'utf8');
  const keys = parseVerifierKeys(vkey);
  const checkpoint = openCheckpoint(note, keys);
  const { origin, size } = checkpoint;
  const signers = logSigners(logDir, options.logKey);
  const store = new TileStore(logDir);
  const parameters = resolveAll(store, size, params);
  const writer = new PackageWriter(options.outDir);

  writer.put(FILES.checkpoint, note);
  writer.put(FILES.vkey, `${vkey}\n`);
  await copyTiles(store, size, parameters.principal === null, writer);
  if (options.policy) writer.put(FILES.policy, options.policy);
  const earlier = new Map<number, string>();
  if (options.cosigned !== undefined && isOf(keys, options.cosigned)) {
    earlier.set(openCheckpoint(options.cosigned, keys).size, options.cosigned);
  }
  if (options.previous !== undefined) {
    earlier.set(openCheckpoint(options.previous, keys).size, options.previous);
  }
  for (const old of earlier.values()) putConsistency(writer, store, old, checkpoint, keys, note);

  const payloads = PayloadStore.open(join(dataDir, 'payloads.db'), options.keys);
  let told: Told;
  try {
    told = await tell(store, size, parameters, payloads, writer, options.onProgress);
  } finally {
    payloads.close();
  }
  putProofs(writer, store, size, note, told.proved);
  const rows = putPopulations(writer, told.populations);
  const { allowed, denied, unanswered } = told.tally;
  const facts = {
    generatedAt: rfc3339(nowMicros()),
    generatedBy: { id: generatedBy.id, name: generatedBy.name },
    parameters,
    log: { origin, size, root: checkpoint.root.toString('base64'), vkey, time: told.lastTime },
    coverage: parameters.principal === null ? ('log' as const) : ('principal' as const),
    principals: told.principals,
    counts: { leaves: told.leaves, commands: allowed + denied, allowed, denied, unanswered },
  };
  const { parts = [] } = parameters;
  await writeParts({ files: folderHost(options.outDir).files, manifest: facts }, parts, writer, pause);
  const { framework } = params;
  let assessed: ReportFacts['assessed'] = null;
  if (framework !== undefined) {
    writer.put(FILES.framework, framework.text);
    const derived = await derive(options.outDir, { manifest: facts, ...told }, framework.text);
    for (const [path, content] of derived.files) writer.put(path, content);
    assessed = { framework: JSON.parse(framework.text) as Framework, assessment: derived.assessment };
  }
  writer.put(FILES.populationIndex, populationIndex({ manifest: facts, rows, files: writer.files() }));
  writer.put(FILES.report, renderReport({ ...told, manifest: facts, assessed }));
  writer.put(FILES.howTo, HOW_TO_VERIFY);
  writer.put(FILES.page, verifyPage());
  const schemas = parts.includes('ocsf') ? { schemas: { ocsf: OCSF_VERSION } } : {};
  const files = writer.files();
  const manifest: Manifest = { format: FORMAT, renderer: RENDERER, ...facts, ...schemas, files };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  writer.put(FILES.manifest, text);
  writer.put(FILES.signature, signNote(manifestNote(hash('sha256', text)), signers));
  return { manifest, records: manifest.counts };
}

/** Whether a key that signs today signed it: one from before the last change of keys says nothing to who holds today's. */
function isOf(keys: readonly NoteVerifier[], note: string): boolean {
  const { signatures } = splitNote(note);
  return signatures.some(({ keyId }) => keys.some((key) => key.keyId === keyId));
}

/** @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID */
export function resolveAll(store: TileStore, size: number, params: ExportOptions['params']): Parameters {
  for (const time of [params.since, params.until]) if (time !== undefined) microsOf(time);
  if (params.period !== undefined && (params.since ?? params.until) !== undefined)
    throw new PosternError('POSTERN_INVALID', 'A period has its own beginning and end.');
  const { principal, resource } = params;
  // Who asks by a framework hands it to somebody who works with other tools.
  const asked = params.parts ?? (params.framework === undefined ? [] : PARTS);
  const parts = PARTS.filter((part) => asked.includes(part));
  return {
    principal: principal === undefined ? null : resolve(store, size, 'principal', principal),
    resource: resource === undefined ? null : resolve(store, size, 'resource', resource),
    since: params.period?.since ?? params.since ?? null,
    until: params.period?.until ?? params.until ?? null,
    statements: params.statements ?? 'full',
    ...(parts.length > 0 && { parts }),
    ...(params.period !== undefined && { period: params.period }),
    ...(params.framework !== undefined && { framework: params.framework.ref }),
  };
}

interface Told {
  readonly populations: Populations;
  readonly tally: ReportTally;
  readonly summary: CommandSummary;
  readonly leaves: number;
  readonly principals: Manifest['principals'];
  /** Of the last leaf. */
  readonly lastTime: string | null;
  /** Leaves that get a proof file. */
  readonly proved: readonly number[];
}

/** Lets the process do its other work. */
function pause(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

/** Goes through the leaves of the package once and writes the activity. */
async function tell(
  store: TileStore,
  size: number,
  parameters: Parameters,
  payloads: PayloadStore,
  writer: PackageWriter,
  onProgress: ExportOptions['onProgress'],
): Promise<Told> {
  const populations = new Populations();
  const tally = new ReportTally();
  const summary = new CommandSummary();
  const assessed = parameters.framework !== undefined;
  const opener = new PayloadOpener(payloads, parameters.statements);
  const texts = new CommandTexts();
  const ndjson = writer.open(FILES.commands);
  const csv = writer.open(FILES.commandsCsv);
  const only = parameters.principal;
  const entriesFile = only === null ? null : writer.open(FILES.leaves);
  const records = assessed ? new TableOut(writer, RECORDS_TABLE) : null;
  csv.file.write(COMMANDS_HEADER);
  const commands = new Commands({
    populations,
    parameters,
    problem: () => undefined, // what does not fit is in the leaves all the same, and verification names it
    emit: ({ row, record, shared, selected }) => {
      if (!selected) return;
      const payloads = opener.show(record);
      tally.add(row, payloads, shared);
      if (assessed) summary.add(row, shared);
      ndjson.file.write(...texts.beginning(row, shared), JSON.stringify(payloads), '}\n');
      csv.file.write(...texts.line(row, payloads, shared));
    },
  });
  const counted = new Map<string, { id: string; name: string; records: number }>();
  const grants: number[] = [];
  let count = 0;
  let first = -1;
  let last = -1;
  let lastTime: string | null = null;
  const leaves: Iterable<ReadLeaf> =
    only === null ? allLeaves(store, size) : leavesOfPrincipal(store, size, only.id);
  for (const { index, entry, record, shared } of leaves) {
    if (first < 0) first = index;
    last = index;
    lastTime = record.time;
    populations.take(index, record);
    commands.take(index, { record, shared });
    if (records !== null) {
      const row = recordRow(index, record);
      if (row !== null) records.put(row);
    }
    entriesFile?.file.write(`${entry.toString('utf8')}\n`);
    if (record.principal !== undefined) {
      const { id, name } = record.principal;
      counted.set(id, { id, name, records: (counted.get(id)?.records ?? 0) + 1 });
    }
    if (record.type === 'grant.activated' && grants.length < PROOFS) grants.push(index);
    if (++count % PAUSE === 0) {
      onProgress?.(index, size);
      await pause();
    }
  }
  commands.end();
  records?.close();
  if (assessed) putSummary(writer, summary);
  onProgress?.(size, size);
  for (const part of [ndjson, csv, entriesFile]) part?.close();
  const proved = [...new Set([first, ...grants, last])].filter((index) => index >= 0);
  return { populations, tally, summary, leaves: count, principals: [...counted.values()], lastTime, proved };
}

function putProofs(
  writer: PackageWriter,
  store: TileStore,
  size: number,
  note: string,
  leaves: readonly number[],
): void {
  const read = cachingReader(store.readTile);
  for (const index of leaves) {
    const proof = inclusionProof(read, index, size);
    writer.put(`proofs/leaf-${index}.tlog-proof`, formatTlogProof({ index, proof, checkpoint: note }));
  }
}

/** In the form in which a witness takes it: `old N`, the hashes, an empty line, the new checkpoint. */
function putConsistency(
  writer: PackageWriter,
  store: TileStore,
  previous: string,
  checkpoint: Checkpoint,
  keys: readonly NoteVerifier[],
  note: string,
): void {
  const old = openCheckpoint(previous, keys);
  if (old.size > checkpoint.size) {
    throw new PosternError('POSTERN_INVALID', 'The earlier checkpoint is of a larger log than this one.');
  }
  const hashes = consistencyProof(cachingReader(store.readTile), old.size, checkpoint.size);
  const lines = [`old ${old.size}`, ...hashes.map((hash) => hash.toString('base64')), '', note];
  writer.put(`consistency/${old.size}-${checkpoint.size}`, lines.join('\n'));
  writer.put(`consistency/${old.size}.checkpoint`, previous);
}
