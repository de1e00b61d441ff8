import { hash } from 'node:crypto';
import { type NoteVerifier, openNote } from '../ledger/note.ts';
import { csvOf } from './assess/table-files.ts';
import { RECORDS_TABLE, SUMMARY_TABLE } from './assess/tables.ts';
import type { Check } from './findings.ts';
import {
  FILES,
  FORMAT,
  type Manifest,
  manifestNote,
  PARTS,
  POPULATIONS,
  TEXT_MODES,
  type TextMode,
} from './format.ts';
import { type PackageFiles, readText, type VerifyHost } from './package-files.ts';
import { parseObject } from './row-matcher.ts';

/** Reads the manifest and checks its form. Null where nothing can be made of it. */
export function readManifest(files: PackageFiles, check: Check): Manifest | null {
  const text = readText(files, FILES.manifest);
  const manifest = text === null ? null : parseObject(text);
  if (manifest === null) {
    check.problem(FILES.manifest, 'The manifest is missing or is not JSON.');
    return null;
  }
  if (manifest.format !== FORMAT) {
    check.problem(FILES.manifest, `The format is not ${FORMAT}.`);
    return null;
  }
  const problem = shapeProblem(manifest);
  if (problem !== null) {
    check.problem(FILES.manifest, problem);
    return null;
  }
  return manifest as unknown as Manifest;
}

function shapeProblem(manifest: Readonly<Record<string, unknown>>): string | null {
  const { files, log, parameters, coverage, principals, counts, generatedBy } = manifest as Partial<Manifest>;
  const texts = [log?.origin, log?.root, log?.vkey, manifest.generatedAt, generatedBy?.name];
  if (texts.some((text) => typeof text !== 'string') || !Number.isSafeInteger(log?.size))
    return 'Log position, time or author are not stated.';
  if (typeof parameters !== 'object' || parameters === null) return 'The parameters are not stated.';
  if (!TEXT_MODES.includes(parameters.statements as TextMode))
    return 'What is shown of statements is not stated.';
  const { parts = [] } = parameters;
  if (!Array.isArray(parts) || parts.some((part) => !PARTS.includes(part)))
    return 'The parts are not stated.';
  if (coverage !== 'log' && coverage !== 'principal') return 'The coverage is not stated.';
  if ((coverage === 'principal') !== (typeof parameters.principal?.id === 'string')) {
    return 'The coverage does not fit the parameters.';
  }
  if (typeof counts !== 'object' || counts === null || !Array.isArray(principals))
    return 'The counts are not stated.';
  if (principals.some((one) => typeof one?.id !== 'string')) return 'The principals are not stated.';
  if (!Array.isArray(files) || files.some((file) => typeof file?.path !== 'string'))
    return 'The files are not stated.';
  return null;
}

/** Checks the signature over the manifest. */
export async function checkSignature(
  { files, settled }: VerifyHost,
  keys: readonly NoteVerifier[],
  check: Check,
): Promise<void> {
  check.looked();
  const note = readText(files, FILES.signature, 65_536);
  if (note === null || files.size(FILES.manifest) === null) {
    check.problem(FILES.signature, 'The signature of the manifest is missing.');
    return;
  }
  try {
    const opened = await settled(() => openNote(note, keys));
    if (opened.text !== manifestNote(hash('sha256', files.read(FILES.manifest)))) {
      check.problem(FILES.manifest, 'The manifest is not the one that was signed.');
    }
  } catch (error) {
    check.problem(FILES.signature, (error as Error).message);
  }
}

/** Checks that the files are those of the manifest, byte for byte, and no others. */
export async function checkFiles(
  given: PackageFiles,
  manifest: Manifest,
  check: Check,
  onFile: () => void,
): Promise<void> {
  const { files, odd } = given.list();
  const present = new Set(files);
  for (const path of odd) check.problem(path, 'This is neither a file nor a folder.');
  const named = new Set<string>([FILES.manifest, FILES.signature]);
  for (const { path, bytes, sha256 } of manifest.files) {
    check.looked();
    if (named.has(path)) check.problem(FILES.manifest, `The manifest names ${path} twice.`);
    named.add(path);
    if (!present.has(path)) check.problem(path, 'The file is missing.');
    else if (given.size(path) !== bytes) {
      check.problem(path, `The file has ${given.size(path)} bytes, the manifest says ${bytes}.`);
    } else if ((await given.sha256(path)) !== sha256) {
      check.problem(path, 'The file was changed: its SHA-256 is not that of the manifest.');
    }
    onFile();
  }
  for (const path of files)
    if (!named.has(path)) check.problem(path, 'The manifest does not name this file.');
  const needed: string[] = [FILES.checkpoint, FILES.vkey, FILES.commands, FILES.commandsCsv, FILES.report];
  needed.push(FILES.howTo, FILES.populationIndex);
  for (const population of POPULATIONS)
    needed.push(`populations/${population}.ndjson`, `populations/${population}.csv`);
  if (manifest.coverage === 'principal') needed.push(FILES.leaves);
  if (manifest.parameters.framework !== undefined) {
    needed.push(FILES.framework, FILES.assertions);
    for (const table of [RECORDS_TABLE, SUMMARY_TABLE]) needed.push(table.file, csvOf(table));
  }
  for (const path of needed) {
    if (!named.has(path))
      check.problem(FILES.manifest, `The manifest leaves out ${path}, which every package has.`);
  }
}
