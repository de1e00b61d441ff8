/**
 * Writes blocks as PDF. The same blocks and time give the same bytes on every machine: fonts are embedded from a pinned
 * package, nothing is compressed (zlib's results differ between processors), and the times in the file are given.
 */
import { createRequire } from 'node:module';
import { type Block, type Cell, type Day, type TableColumn, type Tone, textOf } from './blocks.ts';
import { type Face, PdfText } from './pdf-text.ts';

export interface PdfOptions {
  readonly title: string;
  readonly subtitle: string;
  /** Stands at the foot of each page. */
  readonly foot: string;
  /** What the file says of when it was made. */
  readonly time: Date;
}

type Doc = PDFKit.PDFDocument;

const INK = '#16202c';
const SOFT = '#5a6877';
const LINE = '#d9e0e7';
const ACCENT = '#0b5c66';
const COLOURS: Readonly<Record<Tone, string>> = {
  good: '#1c6b3a',
  bad: '#a3261f',
  open: '#9a6a00',
  plain: SOFT,
};
const MARGINS = { top: 52, bottom: 58, left: 48, right: 48 };
/** A text in a table is cut after so many characters: the data files have it whole. */
const LONGEST_CELL = 600;
const LONGEST_TEXT = 4000;
const SIZES = { 1: 19, 2: 14, 3: 11 } as const;

/** @throws Error where the fonts are not installed */
export async function renderPdf(blocks: readonly Block[], options: PdfOptions): Promise<Buffer> {
  const { default: PDFDocument } = await import('pdfkit');
  const { title, time } = options;
  const doc: Doc = new PDFDocument({
    size: 'A4',
    margins: MARGINS,
    bufferPages: true,
    compress: false,
    lang: 'en',
    displayTitle: true,
    info: {
      Title: title,
      Author: 'Postern',
      Creator: 'Postern',
      Producer: 'Postern',
      CreationDate: time,
      ModDate: time,
    },
  });
  const chunks: Buffer[] = [];
  doc.on('data', (chunk: Buffer) => chunks.push(chunk));
  const done = new Promise<void>((resolve, reject) => {
    doc.on('end', resolve);
    doc.on('error', reject);
  });
  new PdfWriter(doc).write(blocks, options);
  doc.end();
  await done;
  return Buffer.concat(chunks);
}

class PdfWriter {
  readonly #doc: Doc;
  readonly #text: PdfText;
  /** Ids that something leads to must exist: those of the blocks. */
  #ids: ReadonlySet<string> = new Set();
  readonly #outline: { add: (text: string) => void; into: (text: string) => void };

  constructor(doc: Doc) {
    this.#doc = doc;
    const { resolve } = createRequire(import.meta.url);
    for (const [name, file] of [
      ['text', 'DejaVuSans.ttf'],
      ['bold', 'DejaVuSans-Bold.ttf'],
      ['code', 'DejaVuSansMono.ttf'],
    ] as const) {
      doc.registerFont(name, resolve(`dejavu-fonts-ttf/ttf/${file}`));
    }
    // None of the faces has less in it than this one. The types of pdfkit do not know of it.
    const { font } = (doc.font('code') as unknown as { readonly _font: { readonly font: Face } })._font;
    this.#text = new PdfText(font);
    const { outline } = doc;
    let part = outline;
    this.#outline = {
      add: (text) => {
        part = outline.addItem(text);
      },
      into: (text) => void part.addItem(text),
    };
  }

  write(blocks: readonly Block[], { title, subtitle, foot }: PdfOptions): void {
    const doc = this.#doc;
    this.#ids = new Set(blocks.flatMap((block) => ('id' in block ? [block.id] : [])));
    doc.font('bold').fontSize(9).fillColor(ACCENT).text('EVIDENCE OF OPERATION', { characterSpacing: 1 });
    doc.moveDown(0.3).font('bold').fontSize(22).fillColor(INK).text(this.#clean(title));
    doc.moveDown(0.2).font('text').fontSize(9.5).fillColor(SOFT).text(this.#clean(subtitle));
    doc.moveDown(0.5);
    doc
      .moveTo(this.#left, doc.y)
      .lineTo(this.#left + this.#width, doc.y)
      .lineWidth(2)
      .stroke(ACCENT);
    doc.moveDown(0.8);
    this.#outline.add('Summary');
    for (const block of blocks) this.#block(block);
    this.#feet(this.#clean(foot));
  }

  get #left(): number {
    return MARGINS.left;
  }

  get #width(): number {
    return this.#doc.page.width - MARGINS.left - MARGINS.right;
  }

  get #bottom(): number {
    return this.#doc.page.height - MARGINS.bottom;
  }

  #block(block: Block): void {
    const doc = this.#doc;
    doc.x = this.#left;
    switch (block.kind) {
      case 'heading':
        this.#heading(block);
        break;
      case 'text':
        doc
          .font('text')
          .fontSize(9.5)
          .fillColor(block.soft === true ? SOFT : INK);
        doc.text(this.#clean(block.text, LONGEST_TEXT), { width: this.#width, lineGap: 1.5 });
        doc.moveDown(0.5);
        break;
      case 'outcome':
        this.#outcome(block);
        break;
      case 'facts':
        this.#table(
          [
            { title: '', share: 26 },
            { title: '', share: 74 },
          ],
          block.rows,
        );
        break;
      case 'table':
        this.#table(block.columns, block.rows);
        break;
      case 'code':
        this.#code(this.#clean(block.text, LONGEST_TEXT));
        break;
      case 'bars':
        this.#bars(block);
        break;
      case 'days':
        this.#days(block.title, block.days);
        break;
    }
  }

  #heading({ level, text, id, break: paged }: Extract<Block, { kind: 'heading' }>): void {
    const doc = this.#doc;
    if (paged === true && doc.y > MARGINS.top + 1) doc.addPage();
    else this.#room(90);
    if (doc.y > MARGINS.top + 1) doc.moveDown(level === 3 ? 0.4 : 0.9);
    const clean = this.#clean(text);
    doc.addNamedDestination(id, 'XYZ', this.#left, doc.y, null);
    if (level === 1) this.#outline.add(clean);
    else if (level === 2) this.#outline.into(clean);
    doc
      .font('bold')
      .fontSize(SIZES[level])
      .fillColor(INK)
      .text(clean, this.#left, doc.y, { width: this.#width });
    doc.moveDown(0.35);
  }

  #outcome({ word, tone, id, text }: Extract<Block, { kind: 'outcome' }>): void {
    const doc = this.#doc;
    this.#room(80);
    doc.moveDown(0.5);
    doc.addNamedDestination(id, 'XYZ', this.#left, doc.y, null);
    doc.font('bold').fontSize(8.5);
    const label = word.toUpperCase();
    const width = doc.widthOfString(label) + 12;
    const top = doc.y;
    doc.roundedRect(this.#left, top, width, 14, 3).fill(COLOURS[tone]);
    doc.fillColor('#ffffff').text(label, this.#left + 6, top + 2.5, { lineBreak: false });
    doc.font('bold').fontSize(10).fillColor(INK);
    doc.text(this.#clean(text), this.#left + width + 8, top + 1, { width: this.#width - width - 8 });
    doc.x = this.#left;
    doc.y = Math.max(doc.y, top + 16);
    doc.moveDown(0.4);
  }

  #table(columns: readonly TableColumn[], rows: readonly (readonly Cell[])[]): void {
    const doc = this.#doc;
    const all = columns.reduce((sum, { share }) => sum + share, 0);
    const widths = columns.map(({ share }) => (this.#width * share) / all);
    const titled = columns.some(({ title }) => title !== '');
    if (titled) {
      this.#room(60);
      this.#head(columns, widths);
    }
    for (const row of rows) {
      const texts = row.map((cell) => this.#clean(textOf(cell), LONGEST_CELL));
      const height =
        Math.max(...texts.map((text, i) => this.#cellHeight(text, columns[i], widths[i] as number))) + 6;
      if (doc.y + height > this.#bottom) {
        doc.addPage();
        if (titled) this.#head(columns, widths);
      }
      const top = doc.y;
      let x = this.#left;
      for (const [i, text] of texts.entries()) {
        this.#cell(row[i] as Cell, text, columns[i], x, top + 3, widths[i] as number);
        x += widths[i] as number;
      }
      doc.y = top + height;
      this.#rule(LINE, 0.5);
    }
    doc.x = this.#left;
    doc.moveDown(0.7);
  }

  #head(columns: readonly TableColumn[], widths: readonly number[]): void {
    const doc = this.#doc;
    const top = doc.y;
    let x = this.#left;
    let height = 0;
    doc.font('bold').fontSize(7.5).fillColor(SOFT);
    for (const [i, { title, numbers }] of columns.entries()) {
      const options = {
        width: (widths[i] as number) - 6,
        align: numbers === true ? 'right' : 'left',
      } as const;
      const text = this.#clean(title.toUpperCase(), 60);
      height = Math.max(height, doc.heightOfString(text, options));
      doc.text(text, x, top, options);
      x += widths[i] as number;
    }
    doc.y = top + height + 3;
    this.#rule(SOFT, 0.8);
  }

  #cellHeight(text: string, column: TableColumn | undefined, width: number): number {
    this.#doc.font(column?.code === true ? 'code' : 'text').fontSize(8.5);
    return this.#doc.heightOfString(text === '' ? ' ' : text, { width: width - 6 });
  }

  #cell(
    cell: Cell,
    text: string,
    column: TableColumn | undefined,
    x: number,
    y: number,
    width: number,
  ): void {
    const { to, tone } = typeof cell === 'string' ? {} : cell;
    const target = to !== undefined && this.#ids.has(to) ? to : undefined;
    this.#doc
      .font(column?.code === true ? 'code' : 'text')
      .fontSize(8.5)
      .fillColor(tone === undefined ? (target === undefined ? INK : ACCENT) : COLOURS[tone])
      .text(text, x, y, {
        width: width - 6,
        align: column?.numbers === true ? 'right' : 'left',
        ...(target !== undefined && text !== '' && { goTo: target }),
      });
  }

  #code(text: string): void {
    const doc = this.#doc;
    doc.font('code').fontSize(7.5);
    const options = { width: this.#width - 16, lineGap: 1 };
    const height = doc.heightOfString(text, options) + 12;
    if (height < this.#bottom - MARGINS.top) {
      this.#room(height + 6);
      doc.roundedRect(this.#left, doc.y, this.#width, height, 3).fill('#f4f7fa');
    }
    doc.fillColor(INK).text(text, this.#left + 8, doc.y + 6, options);
    doc.x = this.#left;
    doc.y += 10;
  }

  #bars({ title, bars }: Extract<Block, { kind: 'bars' }>): void {
    const doc = this.#doc;
    this.#room(bars.length * 18 + 30);
    const most = Math.max(1, ...bars.map(({ value }) => value));
    const from = this.#left + 110;
    for (const { label, value, tone } of bars) {
      const top = doc.y;
      const width = ((this.#width - 160) * value) / most;
      doc
        .font('text')
        .fontSize(8.5)
        .fillColor(INK)
        .text(label, this.#left, top + 2, { width: 102, align: 'right' });
      if (width > 0) doc.rect(from, top, width, 13).fill(COLOURS[tone]);
      doc.fillColor(INK).text(String(value), from + width + 5, top + 2, { lineBreak: false });
      doc.y = top + 18;
    }
    this.#caption(title);
  }

  #days(title: string, days: readonly Day[]): void {
    const doc = this.#doc;
    this.#room(130);
    const [top, height] = [doc.y + 4, 70];
    const most = Math.max(1, ...days.map(({ good, bad }) => good + bad));
    const step = Math.min(24, this.#width / days.length);
    for (const [i, { good, bad }] of days.entries()) {
      const [high, low] = [(height * good) / most, (height * bad) / most];
      const x = this.#left + i * step;
      if (high > 0) doc.rect(x, top + height - high - low, step * 0.8, high).fill('#7fb3b9');
      if (low > 0) doc.rect(x, top + height - low, step * 0.8, low).fill(COLOURS.bad);
    }
    doc.y = top + height;
    this.#rule(LINE, 0.8);
    const [first, last] = [days[0]?.label ?? '', days.at(-1)?.label ?? ''];
    doc
      .font('text')
      .fontSize(8)
      .fillColor(SOFT)
      .text(first === last ? first : `${first} to ${last}, at most ${most}`, this.#left, doc.y + 2);
    this.#caption(title);
  }

  #caption(text: string): void {
    const doc = this.#doc;
    doc
      .font('text')
      .fontSize(8)
      .fillColor(SOFT)
      .text(text, this.#left, doc.y + 2, { width: this.#width });
    doc.moveDown(0.8);
  }

  #rule(colour: string, width: number): void {
    const doc = this.#doc;
    doc
      .moveTo(this.#left, doc.y)
      .lineTo(this.#left + this.#width, doc.y)
      .lineWidth(width)
      .stroke(colour);
  }

  /** Goes on to the next page where there is less room than this. */
  #room(height: number): void {
    if (this.#doc.y + height > this.#bottom) this.#doc.addPage();
  }

  #feet(foot: string): void {
    const doc = this.#doc;
    const { start, count } = doc.bufferedPageRange();
    for (let i = 0; i < count; i++) {
      doc.switchToPage(start + i);
      // Below the margin the text would begin another page.
      doc.page.margins.bottom = 0;
      const y = doc.page.height - 36;
      doc.font('text').fontSize(7.5).fillColor(SOFT);
      doc.text(foot, this.#left, y, { width: this.#width - 80, lineBreak: false, ellipsis: true });
      doc.text(`${i + 1} of ${count}`, this.#left, y, {
        width: this.#width,
        align: 'right',
        lineBreak: false,
      });
    }
  }

  #clean(text: string, most?: number): string {
    return this.#text.clean(text, most);
  }
}
