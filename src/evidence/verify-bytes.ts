import { TileFiles } from '../ledger/tiles.ts';
import { Check, type CheckState } from './findings.ts';
import type { Manifest } from './format.ts';
import type { PackageFiles } from './package-files.ts';
import { checkFiles } from './verify-files.ts';
import { checkTree } from './verify-log.ts';

/** The part of verification that is arithmetic over bytes: it needs to understand no record. It can be sent to a thread. */
export interface BytesJob {
  readonly manifest: Manifest;
  /** Of the signed checkpoint; null where there is none that holds: then there is no tree to check. */
  readonly tree: { readonly size: number; readonly root: Uint8Array } | null;
}

/** How the checks named the same in the report came out. */
export interface BytesChecked {
  readonly files: CheckState;
  readonly tree: CheckState;
}

/** Checks the files against the manifest, and the tree against the checkpoint. */
export async function verifyBytes(
  files: PackageFiles,
  { manifest, tree }: BytesJob,
  onProgress: (more: number) => void,
  pause: () => Promise<void>,
): Promise<BytesChecked> {
  const checks = { files: new Check('files'), tree: new Check('tree') };
  checks.files.begin();
  await checkFiles(files, manifest, checks.files, () => onProgress(1));
  if (tree !== null) {
    checks.tree.begin();
    const [size, root] = [tree.size, Buffer.from(tree.root)];
    const store = new TileFiles(tileReader(files));
    await checkTree(store, { size, root }, manifest.coverage === 'log', checks.tree, onProgress, pause);
  }
  return { files: checks.files.state(), tree: checks.tree.state() };
}

/** Reads the tiles and bundles of a package. */
export function tileReader(files: PackageFiles): (path: string, maxBytes: number) => Buffer | null {
  return (path, maxBytes) => {
    const size = files.size(`tlog/${path}`);
    if (size === null) return null;
    if (size > maxBytes) throw new Error(`${path}: has ${size} bytes, more than any file of its kind`);
    return files.read(`tlog/${path}`);
  };
}
