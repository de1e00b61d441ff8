import type { Check } from './findings.ts';
import { FILES, type Manifest, PARTS, RENDERER } from './format.ts';
import type { VerifyHost } from './package-files.ts';

/** Makes the activity in other forms again, from the files that were held against the log, and compares. */
export async function checkParts(host: VerifyHost, manifest: Manifest, check: Check): Promise<void> {
  const asked = manifest.parameters.parts ?? [];
  let skipped: string | null = null;
  const words: string[] = [];
  const made: Promise<void>[] = [];
  for (const part of PARTS) {
    const path = FILES[part];
    if (!manifest.files.some((file) => file.path === path)) {
      if (asked.includes(part))
        check.problem(FILES.manifest, `The manifest leaves out ${path}, which was asked for.`);
      continue;
    }
    check.looked();
    words.push(path);
    if (manifest.renderer !== RENDERER) skipped = 'written by another version of Postern';
    else if (host.part === undefined) skipped = 'not made again here; `postern verify` does';
    else made.push(compare(host.part.bind(host), manifest, part, check));
  }
  await Promise.all(made);
  if (words.length === 0) return;
  check.says(
    skipped === null
      ? 'made again, the same'
      : `${words.join(', ')}: only their hashes were checked (${skipped})`,
  );
}

async function compare(
  make: NonNullable<VerifyHost['part']>,
  manifest: Manifest,
  part: (typeof PARTS)[number],
  check: Check,
): Promise<void> {
  const path = FILES[part];
  try {
    if (!(await make(manifest, part))) check.problem(path, 'The file is not what follows from the log.');
  } catch (error) {
    check.problem(path, `The file cannot be made again: ${(error as Error).message}`);
  }
}
