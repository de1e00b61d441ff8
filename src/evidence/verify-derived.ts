import { hash } from 'node:crypto';
import type { Check } from './findings.ts';
import { FILES, type Manifest, RENDERER } from './format.ts';
import { type PackageFiles, readText, type VerifyHost } from './package-files.ts';
import { short } from './row-matcher.ts';
import type { AllLeaves } from './verify-activity.ts';

/** The folder of the files in OSCAL: nothing else belongs there. */
const OSCAL = 'oscal/';
/** Longer than any framework that is read. */
const LONGEST_FRAMEWORK = 1 << 20;

/**
 * Makes the assertions again, and everything that follows from them, and compares byte for byte. Where this place cannot, it says
 * which files were held to their digests only.
 */
export async function checkDerived(
  { files, derive }: VerifyHost,
  manifest: Manifest,
  all: AllLeaves,
  check: Check,
): Promise<void> {
  const { framework } = manifest.parameters;
  if (framework === undefined) {
    strangers(files, new Map(), check);
    return;
  }
  const text = readText(files, FILES.framework, LONGEST_FRAMEWORK);
  check.looked();
  if (text === null || hash('sha256', text) !== framework.sha256) {
    check.problem(FILES.framework, 'The framework is missing, or is not the one that the manifest states.');
    return;
  }
  if (manifest.renderer !== RENDERER) {
    check.says(`written by another version of Postern: only the hash of ${FILES.assertions} was checked`);
    return;
  }
  if (derive === undefined) {
    check.says(
      `not asked again here: ${FILES.assertions} and what is made of it were held to their hashes only`,
    );
    return;
  }
  try {
    const derived = await derive({ manifest, ...all }, text);
    for (const [path, content] of derived.files) {
      check.looked();
      if (!same(files, path, content))
        check.problem(path, 'The file is not what follows from the log, the framework and the parameters.');
    }
    for (const { path } of manifest.files) {
      if (path.startsWith(OSCAL) && !derived.files.has(path))
        check.problem(path, 'Nothing that follows from the log is in a file of this name.');
    }
    strangers(files, derived.files, check);
    const whose = framework.own ? 'by a framework of the institution’s own' : `by ${framework.id}`;
    check.says(`${derived.assessment.results.length} asked again, ${whose}`);
  } catch (error) {
    check.problem(FILES.framework, `It cannot be assessed by: ${short((error as Error).message)}`);
  }
}

/** What looks as if it followed from an assessment, and does not. */
function strangers(files: PackageFiles, derived: ReadonlyMap<string, unknown>, check: Check): void {
  for (const path of [FILES.parameters, FILES.assertions, FILES.framework]) {
    if (path === FILES.framework && derived.size > 0) continue;
    if (files.size(path) !== null && !derived.has(path))
      check.problem(path, 'Nothing in the package says that there is such a file.');
  }
}

function same(files: PackageFiles, path: string, content: string | Uint8Array): boolean {
  const wanted = typeof content === 'string' ? Buffer.from(content) : content;
  if (files.size(path) !== wanted.length) return false;
  return files.read(path).equals(wanted);
}
