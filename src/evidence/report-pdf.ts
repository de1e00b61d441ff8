import type { DerivedFile } from './derived.ts';
import { closingBlocks, controlBlocks, summaryBlocks } from './document/assessment-blocks.ts';
import { renderPdf } from './document/pdf.ts';
import { FILES } from './format.ts';
import { aboutWords, asOfWords } from './report-parts.ts';

/** Without a record there is no time; the file has to have one. */
const NO_TIME = 0;

/** The assessment, for those who print and file it. */
export const REPORT_PDF: DerivedFile = {
  path: FILES.reportPdf,
  make: (input) => {
    const { assessment, manifest } = input;
    const { framework, period } = assessment;
    const title = `${framework.title}, ${period.name}`;
    const { time } = manifest.log;
    const blocks = [...summaryBlocks(input), ...controlBlocks(input), ...closingBlocks(input)];
    return renderPdf(blocks, {
      title,
      subtitle: `${aboutWords(manifest.parameters)} · ${asOfWords(manifest.log)} · who did what, and on whose authority, is in report.html`,
      foot: `${title} · ${manifest.log.origin}, ${manifest.log.size} leaves`,
      time: new Date(time === null ? NO_TIME : Date.parse(time)),
    });
  },
};
