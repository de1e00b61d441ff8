/** What a person drops on the page or chooses, as a package. */
export interface Given {
  readonly name: string;
  readonly package: Blob | ReadonlyMap<string, Blob>;
}

/** Chromium's way to a dropped folder, which works for pages that were opened as files as well. */
interface HandleItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** A dropped zip, a dropped folder, or the dropped content of one. */
export async function fromDrop(transfer: DataTransfer): Promise<Given | null> {
  const items = [...transfer.items].filter(({ kind }) => kind === 'file');
  // All must be asked for before the first await: then the list is emptied.
  const asked = items.map((item) => ({
    file: item.getAsFile(),
    handle: (item as HandleItem).getAsFileSystemHandle?.() ?? null,
    entry: item.webkitGetAsEntry(),
  }));
  const files = new Map<string, Blob>();
  for (const { file, handle, entry } of asked) {
    const found = await handle;
    if (found !== null) await takeHandle(found, found.name, files);
    else if (entry !== null) await takeEntry(entry, entry.name, files);
    else if (file !== null) files.set(file.name, file);
  }
  return packageOf(files);
}

/** Files chosen with a file input: one zip, or the files of a folder. */
export function fromInput(list: FileList): Given | null {
  return packageOf(new Map([...list].map((file) => [file.webkitRelativePath || file.name, file])));
}

function packageOf(files: ReadonlyMap<string, Blob>): Given | null {
  const [first] = files;
  if (first === undefined) return null;
  if (files.size === 1 && !first[0].includes('/')) return { name: first[0], package: first[1] };
  const top = first[0].slice(0, first[0].indexOf('/') + 1);
  const inOne =
    top !== '' && !files.has('manifest.json') && [...files.keys()].every((path) => path.startsWith(top));
  if (!inOne) return { name: `${files.size} files`, package: files };
  const inside = [...files].map(([path, file]): [string, Blob] => [path.slice(top.length), file]);
  return { name: top.slice(0, -1), package: new Map(inside) };
}

async function takeHandle(handle: FileSystemHandle, path: string, files: Map<string, Blob>): Promise<void> {
  if (handle.kind === 'file') {
    files.set(path, await (handle as FileSystemFileHandle).getFile());
    return;
  }
  for await (const [name, inner] of (handle as FileSystemDirectoryHandle).entries()) {
    await takeHandle(inner, `${path}/${name}`, files);
  }
}

async function takeEntry(entry: FileSystemEntry, path: string, files: Map<string, Blob>): Promise<void> {
  if (entry.isFile) {
    files.set(
      path,
      await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed)),
    );
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A folder is read in pieces; an empty one says that it was the last.
    const piece = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (piece.length === 0) return;
    for (const inner of piece) await takeEntry(inner, `${path}/${inner.name}`, files);
  }
}
