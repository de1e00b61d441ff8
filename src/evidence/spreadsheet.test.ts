/** What a spreadsheet makes of a workbook: read with an unzip and an XML parser that are not those of the writer. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { derivedInput } from './derived.fixture.ts';
import { POPULATIONS } from './format.ts';
import { type Cell, LONG_TEXTS, type Sheet, SpreadsheetWriter } from './spreadsheet.ts';
import { columnName, pieces } from './spreadsheet-cells.ts';
import { WORKBOOK } from './workbook.ts';

/** Files of a zip by its central directory, unpacked with zlib. */
function unzip(zip: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const [method, packed, size] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 20),
      zip.readUInt32LE(at + 24),
    ];
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const local = zip.readUInt32LE(at + 42);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const bytes = zip.subarray(from, from + packed);
    const content = method === 0 ? bytes : inflateRawSync(bytes);
    assert.equal(content.length, size);
    assert.equal(files.has(name), false);
    files.set(name, content.toString('utf8'));
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

interface ReadCell {
  readonly type: string;
  readonly style: string;
  readonly value: string;
}

/** Sheets by their names: rows of cells by their columns, as a spreadsheet reads them. */
function read(zip: Buffer): Map<string, ReadonlyMap<string, ReadCell>> {
  const files = unzip(zip);
  const workbook = files.get('xl/workbook.xml') ?? '';
  const rels = files.get('xl/_rels/workbook.xml.rels') ?? '';
  const sheets = new Map<string, ReadonlyMap<string, ReadCell>>();
  for (const [, name = '', id] of workbook.matchAll(
    /<sheet name="([^"]*)" sheetId="\d+" r:id="(rId\d+)"\/>/g,
  )) {
    const target = new RegExp(`Id="${id}" [^>]*Target="([^"]+)"`).exec(rels)?.[1] ?? '';
    sheets.set(unxml(name), cells(files.get(`xl/${target}`) ?? ''));
  }
  return sheets;
}

function cells(xml: string): Map<string, ReadCell> {
  // What is left when every element that may be there is taken out is nothing: no markup came from a text.
  const found = new Map<string, ReadCell>();
  const cell =
    /<c r="([A-Z]+\d+)"(?: s="(\d)")?(?: t="(b|inlineStr)")?>(?:<v>([^<]*)<\/v>|<is><t xml:space="preserve">([^<]*)<\/t><\/is>)<\/c>/g;
  const rest = xml.replace(cell, (_, at: string, style = '0', type = 'n', number?: string, text?: string) => {
    found.set(at, { type, style, value: text === undefined ? (number ?? '') : unxstring(unxml(text)) });
    return '';
  });
  assert.match(
    rest.replace(/<row r="\d+"><\/row>/g, ''),
    /^<\?xml [^>]*\?>\n<worksheet [^>]*><sheetViews><sheetView [^>]*><pane ySplit="1" [^>]* state="frozen"\/><\/sheetView><\/sheetViews><sheetFormatPr [^>]*\/><cols>(<col [^>]*\/>)+<\/cols><sheetData><\/sheetData><autoFilter ref="A1:[A-Z]+\d+"\/><\/worksheet>$/,
  );
  return found;
}

const unxml = (text: string): string =>
  text.replace(
    /&(amp|lt|gt|quot);/g,
    (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? '',
  );
const unxstring = (text: string): string =>
  text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

function written(sheets: readonly Sheet[], mostRows?: number): Buffer {
  const chunks: Uint8Array[] = [];
  const writer = new SpreadsheetWriter((bytes) => void chunks.push(bytes), mostRows);
  for (const sheet of sheets) writer.add(sheet);
  writer.end();
  return Buffer.concat(chunks);
}

const sheet = (rows: readonly (readonly Cell[])[], time = false): Sheet => ({
  name: 'one',
  columns: [{ title: 'a', time }, { title: 'b' }],
  rows,
});

describe('a workbook', () => {
  test('gives back every text as it was, as a text, whatever is in it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom(
          '_',
          'x',
          '0',
          '0',
          '5',
          'F',
          'D',
          '\r',
          '\n',
          '\t',
          '<',
          '&',
          '"',
          '\ud800',
          '\u0000',
          '\ufffe',
        ),
      }),
      fc.constantFrom(
        '=1+1',
        '@SUM(A1)',
        '-2',
        '+2',
        '_x000D_',
        '_x005F_',
        ']]>',
        '<![CDATA[',
        '2026-11-21',
        '007',
        ' ',
      ),
    );
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (texts) => {
        const found = read(written([sheet(texts.map((one) => [one, 'x']))])).get('one');
        for (const [i, one] of texts.entries()) {
          const cell = found?.get(`A${i + 2}`);
          if (one === '') assert.equal(cell, undefined);
          else assert.deepEqual([cell?.type, cell?.value], ['inlineStr', one]);
        }
      }),
    );
  });

  test('has no formula, and a text that would be one when edited keeps its apostrophe', () => {
    const zip = written([
      sheet([
        ['=HYPERLINK("http://x")', '  @x'],
        ['plain', '-1'],
      ]),
    ]);
    for (const [, xml] of unzip(zip)) assert.equal(/<f[ >]/.test(xml), false);
    const found = read(zip).get('one');
    assert.deepEqual(
      ['A2', 'B2', 'A3', 'B3'].map((at) => found?.get(at)?.style),
      ['4', '4', '3', '4'],
    );
  });

  test('has times as times, and what is none as text', () => {
    const rows = ['2026-11-21T19:30:00.250000Z', '1850-01-01T00:00:00Z', '2026-99-01T00:00:00Z', 'never'].map(
      (time) => [time, 1],
    );
    const found = read(written([sheet(rows, true)])).get('one');
    // 2026-11-21 is day 46,347 of the calendar of spreadsheets.
    assert.equal(found?.get('A2')?.type, 'n');
    assert.ok(Math.abs(Number(found?.get('A2')?.value) - (46_347 + 70_200.25 / 86_400)) < 1e-9);
    for (const at of ['A3', 'A4', 'A5']) assert.equal(found?.get(at)?.type, 'inlineStr');
  });

  test('has numbers as numbers as long as no digit is lost', () => {
    const found = read(
      written([
        sheet([
          [42, 2 ** 60],
          [Number.NaN, true],
        ]),
      ]),
    ).get('one');
    assert.deepEqual(
      ['A2', 'B2', 'A3', 'B3'].map((at) => [found?.get(at)?.type, found?.get(at)?.value]),
      [
        ['n', '42'],
        ['inlineStr', String(2 ** 60)],
        ['inlineStr', 'NaN'],
        ['b', '1'],
      ],
    );
  });

  test('goes on with more sheets where there are more rows than one can have, and each row is there once', () => {
    const rows = Array.from({ length: 23 }, (_, i) => [i, null]);
    const sheets = read(written([sheet(rows), { ...sheet([]), name: 'empty' }], 11));
    assert.deepEqual([...sheets.keys()], ['one', 'one (2)', 'one (3)', 'empty']);
    const all = [...sheets.values()].flatMap((found) =>
      [...found].filter(([at]) => at !== 'A1' && at !== 'B1').map(([, { value }]) => Number(value)),
    );
    assert.deepEqual(
      all,
      rows.map(([n]) => n),
    );
  });

  test('has a text that is too long for a cell whole on a sheet of its own, and the cell says so', () => {
    const long = `=${'𝄞'.repeat(40_000)}`;
    const found = read(written([sheet([[long, 'b']])]));
    const cell = found.get('one')?.get('A2')?.value ?? '';
    assert.ok(cell.length <= 32_767);
    assert.match(cell, /\[cut here: the whole text of 80001 characters is on the sheet "long texts"\]$/);
    const rest = found.get(LONG_TEXTS);
    assert.equal(rest?.get('A2')?.value, 'one!A2');
    assert.equal(['D2', 'D3', 'D4'].map((at) => rest?.get(at)?.value ?? '').join(''), long);
  });

  test('cuts texts between characters, at the length asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 9 }), (text, most) => {
        const all = pieces(text, most);
        assert.equal(all.join(''), text);
        for (const piece of all) assert.ok(piece.length <= most && piece.length > 0 && piece.isWellFormed());
      }),
    );
    assert.deepEqual([0, 25, 26, 701, 702].map(columnName), ['A', 'Z', 'AA', 'ZZ', 'AAA']);
  });

  test('of a package has a sheet for each population with its rows, and is the same bytes each time, in every time zone', async () => {
    const input = derivedInput();
    const zip = (await WORKBOOK.make(input)) as Buffer;
    const sheets = read(zip);
    for (const population of POPULATIONS) {
      const found = sheets.get(population.replaceAll('_', ' '));
      const rows = [...input.populations.rows(population)];
      const last = Math.max(...[...(found?.keys() ?? [])].map((at) => Number(/\d+/.exec(at)?.[0])));
      assert.equal(last, rows.length + 1, population);
    }
    const zone = process.env.TZ;
    try {
      process.env.TZ = 'Pacific/Auckland';
      assert.deepEqual(await WORKBOOK.make(input), zip);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });
});
