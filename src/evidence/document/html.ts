import { type Html, html } from '../html.ts';
import { count } from '../report-parts.ts';
import { type Bar, type Block, type Cell, type Day, type TableColumn, type Tone, textOf } from './blocks.ts';

const COLOURS: Readonly<Record<Tone, string>> = {
  good: '#1c6b3a',
  bad: '#a3261f',
  open: '#9a6a00',
  plain: '#5a6877',
};

/** Blocks as HTML that stands in the page of the report. */
export function blocksHtml(blocks: readonly Block[]): Html {
  return html`${blocks.map(blockHtml)}`;
}

function blockHtml(block: Block): Html {
  switch (block.kind) {
    case 'heading': {
      const { level, text, id } = block;
      const kind = block.break === true ? 'part paged' : 'part';
      if (level === 1) return html`<h2 class="${kind} big" id="${id}">${text}</h2>\n`;
      return level === 2
        ? html`<h2 class="${kind}" id="${id}">${text}</h2>\n`
        : html`<h3 id="${id}">${text}</h3>\n`;
    }
    case 'text':
      return html`<p${block.soft === true ? SOFT : ''}>${block.text}</p>\n`;
    case 'outcome':
      return html`<h3 class="objective" id="${block.id}"><span class="tag ${block.tone}">${block.word}</span> ${block.text}</h3>\n`;
    case 'facts':
      return html`<dl>${block.rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>\n`;
    case 'table':
      return tableHtml(block.columns, block.rows);
    case 'code':
      return html`<pre class="query">${block.text}</pre>\n`;
    case 'bars':
      return barsHtml(block.title, block.bars);
    case 'days':
      return daysHtml(block.title, block.days);
  }
}

const SOFT = html` class="soft"`;
const NUMBERS = html` class="n"`;

function tableHtml(columns: readonly TableColumn[], rows: readonly (readonly Cell[])[]): Html {
  const head = columns.map(({ title, numbers }) => html`<th${numbers === true ? NUMBERS : ''}>${title}</th>`);
  const body = rows.map(
    (row) =>
      html`<tr>${row.map((cell, i) => html`<td${columns[i]?.numbers === true ? NUMBERS : ''}>${cellHtml(cell, columns[i])}</td>`)}</tr>\n`,
  );
  return html`<div class="wrap"><table><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>
`;
}

function cellHtml(cell: Cell, column: TableColumn | undefined): Html {
  const text = column?.code === true ? html`<code>${textOf(cell)}</code>` : html`${textOf(cell)}`;
  if (typeof cell === 'string') return text;
  const toned = cell.tone === undefined ? text : html`<b class="${cell.tone}">${text}</b>`;
  return cell.to === undefined ? toned : html`<a href="#${cell.to}">${toned}</a>`;
}

const BAR = { label: 150, width: 520, height: 22 };

function barsHtml(title: string, bars: readonly Bar[]): Html {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const height = bars.length * BAR.height;
  const rows = bars.map(({ label, value, tone }, i) => {
    const y = i * BAR.height;
    const width = Math.round((BAR.width * value) / most);
    return html`<text x="${BAR.label - 8}" y="${y + 15}" text-anchor="end">${label}</text><rect x="${BAR.label}" y="${y + 3}" width="${width}" height="${BAR.height - 6}" fill="${COLOURS[tone]}"/><text x="${BAR.label + width + 6}" y="${y + 15}">${count(value)}</text>`;
  });
  return html`<figure><svg viewBox="0 0 ${BAR.label + BAR.width + 70} ${height}" role="img" aria-label="${title}">${rows}</svg><figcaption>${title}</figcaption></figure>
`;
}

const DAYS = { width: 740, height: 90 };

function daysHtml(title: string, days: readonly Day[]): Html {
  const most = Math.max(1, ...days.map(({ good, bad }) => good + bad));
  const step = Math.min(24, DAYS.width / days.length);
  const bars = days.map(({ label, good, bad }, i) => {
    const [high, low] = [(DAYS.height * good) / most, (DAYS.height * bad) / most];
    const x = (i * step).toFixed(2);
    const width = Math.max(0.5, step * 0.8).toFixed(2);
    return html`<g><title>${label}: ${count(good)} let through, ${count(bad)} refused</title><rect x="${x}" y="${(DAYS.height - high - low).toFixed(2)}" width="${width}" height="${high.toFixed(2)}" fill="#7fb3b9"/><rect x="${x}" y="${(DAYS.height - low).toFixed(2)}" width="${width}" height="${low.toFixed(2)}" fill="${COLOURS.bad}"/></g>`;
  });
  const [first, last] = [days[0]?.label, days.at(-1)?.label];
  const end = Math.max(160, step * days.length);
  return html`<figure><svg viewBox="0 -14 ${DAYS.width + 20} ${DAYS.height + 32}" role="img" aria-label="${title}"><text x="0" y="-3">at most ${count(most)}</text>${bars}<line x1="0" x2="${DAYS.width}" y1="${DAYS.height}" y2="${DAYS.height}" stroke="#d9e0e7"/><text x="0" y="${DAYS.height + 14}">${first}</text>${last === first ? '' : html`<text x="${end.toFixed(2)}" y="${DAYS.height + 14}" text-anchor="end">${last}</text>`}</svg><figcaption>${title}</figcaption></figure>
`;
}
