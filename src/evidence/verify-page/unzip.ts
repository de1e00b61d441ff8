import { notAPackage, ZipRules } from '../zip-rules.ts';

/**
 * Reads a zip in the browser, with what it brings along (`Blob`, `DecompressionStream`). By the rules of `zip-rules.ts`.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT sections 4.3 and 4.5.3
 */

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const MOST_DIRECTORY = 2 ** 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

interface Place {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly bytes: number;
  readonly offset: number;
}

/**
 * The files of a zip by their paths.
 *
 * @throws PosternError POSTERN_INVALID where it is none that an evidence package can be
 */
export async function unzip(
  zip: Blob,
  onFile: (done: number, total: number) => void,
): Promise<Map<string, Blob>> {
  const places = directoryOf(await readDirectory(zip), zip.size);
  const files = new Map<string, Blob>();
  for (const place of places) {
    files.set(place.name, await contentOf(zip, place));
    onFile(files.size, places.length);
  }
  return files;
}

async function viewOf(zip: Blob, from: number, to: number): Promise<DataView> {
  if (!(from >= 0 && from <= to && to <= zip.size)) throw notAPackage('it is cut off, or no zip at all');
  return new DataView(await zip.slice(from, to).arrayBuffer());
}

/** The bytes of the central directory. */
async function readDirectory(zip: Blob): Promise<DataView> {
  const from = Math.max(0, zip.size - END_BYTES - 0xffff);
  const tail = await viewOf(zip, from, zip.size);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  // What stands behind the end must be its comment: otherwise two readers could find two ends.
  if (at < 0 || at + END_BYTES + tail.getUint16(at + 20, true) !== tail.byteLength) {
    throw notAPackage('it is cut off, or no zip at all');
  }
  let size = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  const locatorAt = at - LOCATOR_BYTES;
  if (locatorAt >= 0 && tail.getUint32(locatorAt, true) === LOCATOR_64) {
    const endAt = large(tail, locatorAt + 8);
    const end = await viewOf(zip, endAt, endAt + 56);
    if (end.getUint32(0, true) !== END_64) throw notAPackage('its directory is damaged');
    size = large(end, 40);
    offset = large(end, 48);
  }
  if (size > MOST_DIRECTORY) throw notAPackage('it has too many files');
  return viewOf(zip, offset, offset + size);
}

function directoryOf(view: DataView, zipBytes: number): Place[] {
  const rules = new ZipRules(zipBytes);
  const places: Place[] = [];
  for (let at = 0; at < view.byteLength; ) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY)
      throw notAPackage('its directory is damaged');
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > view.byteLength) throw notAPackage('its directory is damaged');
    const name = new TextDecoder().decode(
      new Uint8Array(view.buffer, view.byteOffset + at + 46, nameEnd - at - 46),
    );
    const [bytes, packed, offset] = sizesOf(view, at, nameEnd, extraEnd);
    if ((view.getUint16(at + 8, true) & ENCRYPTED) !== 0) throw notAPackage('it is encrypted');
    if (!name.endsWith('/')) {
      rules.admit(name, bytes, view.getUint32(at + 38, true));
      places.push({ name, method: view.getUint16(at + 10, true), packed, bytes, offset });
    }
    at = next;
  }
  return places;
}

/** Length, packed length and offset of an entry; those that need more than 32 bits are in an extra field. */
function sizesOf(view: DataView, at: number, from: number, to: number): [number, number, number] {
  const sizes: [number, number, number] = [24, 20, 42].map((field) =>
    view.getUint32(at + field, true),
  ) as never;
  if (!sizes.includes(0xffffffff)) return sizes;
  for (let field = from; field + 4 <= to; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== 1) continue;
    const end = Math.min(to, field + 4 + view.getUint16(field + 2, true));
    let value = field + 4;
    return sizes.map((size) => {
      if (size !== 0xffffffff) return size;
      if (value + 8 > end) throw notAPackage('its directory is damaged');
      value += 8;
      return large(view, value - 8);
    }) as typeof sizes;
  }
  throw notAPackage('its directory is damaged');
}

async function contentOf(zip: Blob, { name, method, packed, bytes, offset }: Place): Promise<Blob> {
  const local = await viewOf(zip, offset, offset + 30);
  if (local.getUint32(0, true) !== LOCAL) throw notAPackage(`${name} is not where its directory says`);
  const from = offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  if (from + packed > zip.size) throw notAPackage('it is cut off');
  const data = zip.slice(from, from + packed);
  if (method === STORED && packed === bytes) return data;
  if (method !== DEFLATED) throw notAPackage(`${name} is packed in a way that no package is`);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  try {
    const stream = data.stream().pipeThrough(new DecompressionStream('deflate-raw'));
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      held += value.length;
      if (held > bytes) {
        await reader.cancel();
        break;
      }
      parts.push(value as Uint8Array<ArrayBuffer>);
    }
  } catch (error) {
    throw notAPackage(`${name} cannot be unpacked (${(error as Error).message})`);
  }
  if (held !== bytes) throw notAPackage(`${name} does not have the length that its directory says`);
  return new Blob(parts);
}

function large(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw notAPackage('its directory is damaged');
  return value;
}
