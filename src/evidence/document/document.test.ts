/** The assessment as people read it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { derivedInput } from '../derived.fixture.ts';
import { renderReport } from '../report.ts';
import { REPORT_PDF } from '../report-pdf.ts';
import { controlBlocks, summaryBlocks } from './assessment-blocks.ts';
import type { Block } from './blocks.ts';
import { renderPdf } from './pdf.ts';

const OPTIONS = { title: 'T', subtitle: 'S', foot: 'F', time: new Date(0) };

/** What a reader of the PDF could select: the glyphs of each piece of text, by the maps of the fonts that the file has. */
function textsOf(pdf: Buffer): string {
  const raw = pdf.toString('latin1');
  const maps = new Map<string, Map<string, string>>();
  const objects = new Map(
    [...raw.matchAll(/(\d+) 0 obj\n([\s\S]*?)\nendobj/g)].map(([, id, body]) => [id, body ?? '']),
  );
  for (const [id, body] of objects) {
    const unicode = /\/ToUnicode (\d+) 0 R/.exec(body)?.[1];
    if (unicode !== undefined) maps.set(id ?? '', unicodeOf(objects.get(unicode) ?? ''));
  }
  const names = new Map<string, Map<string, string>>();
  for (const [, name = '', id = ''] of raw.matchAll(/\/(F\d+) (\d+) 0 R/g))
    names.set(name, maps.get(id) ?? new Map());
  let text = '';
  for (const [, font, shown] of raw.matchAll(/\/(F\d+) [\d.]+ Tf\n\[([^\]]*)\] TJ/g)) {
    for (const [hex] of (shown ?? '').matchAll(/[0-9a-f]{4}(?=[0-9a-f]*>)/g))
      text += names.get(font ?? '')?.get(hex) ?? '?';
    text += '\n';
  }
  return text;
}

function unicodeOf(cmap: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const [, first = '0', , list = ''] of cmap.matchAll(/<([0-9a-f]{4})> <([0-9a-f]{4})> \[([^\]]*)\]/g)) {
    for (const [i, [, hex = '']] of [...list.matchAll(/<([0-9a-f ]*)>/g)].entries()) {
      const units = hex.split(' ').filter((unit) => unit !== '');
      const text = String.fromCharCode(...units.map((unit) => Number.parseInt(unit, 16)));
      map.set((Number.parseInt(first, 16) + i).toString(16).padStart(4, '0'), text);
    }
  }
  return map;
}

describe('the report of an assessment', () => {
  const input = derivedInput();
  const page = renderReport({ ...input, assessed: input });

  test('says on its first page what failed, what cannot be said and why, and what is to be attached', () => {
    const summary = JSON.stringify(summaryBlocks(input));
    for (const said of [
      '5 objectives of 5 controls: 2 could be computed, of which 1 failed; 1 could not be',
      '40 of 40',
      'The parameter days is not set.',
      'The policy of the institution.',
    ]) {
      assert.ok(summary.includes(said), said);
    }
    assert.ok(page.indexOf('What failed') < page.indexOf('Parameters of the institution'));
    assert.ok(page.indexOf('Controls') < page.indexOf('Who, and who answers for them'));
  });

  test('has for each objective what is asserted, figures, the first failing rows, the query, and what is not claimed', () => {
    for (const said of [
      '40 looked at in principals, as of the end of the period; 40 fail.',
      'The first 25 of 40',
      'Not claimed: Nothing is said of other systems.',
      'select * from principals where name &lt; &#39;x&#39;',
    ]) {
      assert.ok(page.includes(said), said);
    }
    const tables = controlBlocks(input)
      .filter((block) => block.kind === 'table')
      .map(({ rows }) => rows.length);
    assert.ok(tables.includes(25));
    assert.doesNotMatch(page, /compliant/i);
  });

  test('obeys nothing that somebody wrote', () => {
    assert.ok(page.includes('Control 1 &lt;b&gt;'));
    assert.ok(!page.includes('<b> '));
    assert.ok(!page.includes('<img>'));
    assert.ok(page.includes('[U+202e]'));
    assert.doesNotMatch(page, /<script|href="(?!#)|src=/);
  });

  test('leads only to what is there', () => {
    const ids = new Set([...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    const links = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    assert.ok(links.length > 5);
    for (const link of links) assert.ok(ids.has(link), link);
  });
});

describe('the report as PDF', () => {
  test('is the same bytes each time, in every time zone, with the time of the last record in it', async () => {
    const input = derivedInput();
    const first = (await REPORT_PDF.make(input)) as Buffer;
    const zone = process.env.TZ;
    try {
      process.env.TZ = 'Pacific/Auckland';
      assert.ok(((await REPORT_PDF.make(input)) as Buffer).equals(first));
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    assert.equal(first.includes('(D:20261121193000Z)'), true);
    assert.ok(first.subarray(0, 8).equals(Buffer.from('%PDF-1.3')));
  });

  test('has every text in it, in Latin, Greek and Cyrillic letters, and what the font lacks as its number', async () => {
    const text = 'Zürich Ωmega Жук ✓ 中 \u202e\u0007 \ud800 end';
    const pdf = textsOf(await renderPdf([{ kind: 'text', text }], OPTIONS));
    const flat = pdf.replaceAll('\n', '');
    for (const said of ['Zürich', 'Ωmega', 'Жук', '✓', '[U+4E2D]', '[U+202e]', 'end'])
      assert.ok(flat.includes(said), `${said} in ${flat}`);
  });

  test('has bookmarks, page numbers and links, but no script, no form and nothing that is fetched', async () => {
    const raw = ((await REPORT_PDF.make(derivedInput())) as Buffer).toString('latin1');
    for (const part of ['/Outlines', '/Dests', '/GoTo', '/Lang (en)']) assert.ok(raw.includes(part), part);
    for (const part of ['/JavaScript', '/JS', '/URI', '/AcroForm', '/Launch', '/EmbeddedFile'])
      assert.ok(!raw.includes(part), part);
    assert.match(textsOf(Buffer.from(raw, 'latin1')).replaceAll('\n', ''), /1 of \d/);
  });

  test('goes on over pages whatever it is given: long words, long tables, texts of 60 KB, no rows', async () => {
    const long = 'x'.repeat(60_000);
    const columns = [
      { title: long, share: 1 },
      { title: 'n', share: 1, numbers: true },
    ];
    const blocks: Block[] = [
      { kind: 'text', text: long },
      { kind: 'code', text: `${long}\n`.repeat(2) },
      { kind: 'heading', level: 1, text: long.slice(0, 900), id: 'a' },
      { kind: 'outcome', word: 'fail', tone: 'bad', id: 'b', text: long.slice(0, 900) },
      {
        kind: 'table',
        columns,
        rows: Array.from({ length: 200 }, () => [long, { text: '1', to: 'nowhere' }]),
      },
      { kind: 'table', columns, rows: [] },
      { kind: 'bars', title: '', bars: [] },
      { kind: 'facts', rows: [['', '']] },
    ];
    const pdf = await renderPdf(blocks, { ...OPTIONS, title: long, subtitle: long, foot: long });
    const pages = pdf.toString('latin1').match(/\/Type \/Page\n/g)?.length ?? 0;
    assert.ok(pages > 5 && pages < 200, String(pages));
  });
});
