import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import type { Report } from './findings.ts';
import { folderHost } from './folder-files.ts';
import { type VerifyOptions, verifyOn } from './verify-package.ts';
import { unzipInto } from './zip.ts';

export type { CheckResult, Finding, Report } from './findings.ts';
export { formatReport } from './format-report.ts';

export type { VerifyOptions } from './verify-package.ts';

/**
 * Verifies an evidence package, a folder or a zip, from nothing but itself (and what the caller holds). What does not
 * hold is a finding in the report, not an error.
 *
 * @throws PosternError POSTERN_NOT_FOUND where there is nothing at the path; POSTERN_INVALID where it is no package or
 * zip at all, or the given key is none
 */
export async function verifyPackage(path: string, options: VerifyOptions = {}): Promise<Report> {
  if (!existsSync(path)) {
    throw new PosternError('POSTERN_NOT_FOUND', 'There is no evidence package of that name.');
  }
  if (statSync(path).isDirectory()) return verifyOn(folderHost(path), options);
  const dir = mkdtempSync(join(tmpdir(), 'postern-verify-'));
  try {
    await unzipInto(path, dir);
    return await verifyOn(folderHost(dir), options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
