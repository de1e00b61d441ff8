/** The style sheet of the report: a printed page first, a screen second. */
export const REPORT_STYLE = `
:root { --ink: #16202c; --soft: #5a6877; --line: #d9e0e7; --band: #f4f7fa; --accent: #0b5c66; --bad: #a3261f; --good: #1c6b3a; }
* { box-sizing: border-box; }
body { font: 14px/1.5 "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; color: var(--ink);
  max-width: 1040px; margin: 0 auto; padding: 40px 32px 64px; background: #fff; }
header { border-bottom: 3px solid var(--accent); padding-bottom: 18px; margin-bottom: 24px; }
.eyebrow { text-transform: uppercase; letter-spacing: .12em; font-size: 11px; font-weight: 600; color: var(--accent); margin: 0; }
h1 { font-size: 28px; line-height: 1.2; margin: 4px 0 6px; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 36px 0 10px; letter-spacing: -.005em; }
p { margin: 0 0 10px; max-width: 74ch; }
.lede { font-size: 17px; line-height: 1.5; max-width: 82ch; margin: 20px 0 4px; }
header p { max-width: none; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(5, 1fr); gap: 12px; margin: 22px 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.card b { display: block; font-size: 24px; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.card span { font-size: 12px; color: var(--soft); }
.card.bad b { color: var(--bad); }
dl { display: grid; grid-template-columns: 190px 1fr; gap: 6px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wrap { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; font-size: 11px; text-transform: uppercase; letter-spacing: .06em; color: var(--soft);
  border-bottom: 2px solid var(--line); padding: 6px 10px 6px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 7px 10px 7px 0; vertical-align: top; overflow-wrap: anywhere; }
td { min-width: 6.5em; } td.n { min-width: 0; } td.f { min-width: 122px; }
.wrap + p { margin-top: 14px; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
td.t { white-space: nowrap; font-variant-numeric: tabular-nums; }
code, pre { font: 12px/1.45 "SF Mono", Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px; white-space: pre-wrap; margin: 8px 0 14px; }
td pre { border: 0; background: none; padding: 0; margin: 0; max-height: 12em; overflow: auto; }
.tag { display: inline-block; border-radius: 999px; padding: 1px 9px; font-size: 11px; font-weight: 600; background: var(--band); }
.tag.ended { color: var(--soft); } .tag.live { color: var(--good); background: #e8f4ec; } .tag.bad { color: var(--bad); background: #fbecea; }
.box { background: var(--band); border-left: 3px solid var(--accent); padding: 12px 16px; margin: 14px 0; }
h2.part { margin-top: 30px; } h2.big { font-size: 22px; border-bottom: 2px solid var(--line); padding-bottom: 6px; margin-top: 44px; }
h3 { font-size: 14px; margin: 22px 0 6px; } h3.objective { border-top: 1px solid var(--line); padding-top: 14px; }
.tag.good { color: #fff; background: var(--good); } h3 .tag.bad { color: #fff; background: var(--bad); } .tag.open { color: #fff; background: #9a6a00; } .tag.plain { color: #fff; background: var(--soft); }
b.bad { color: var(--bad); } b.open { color: #9a6a00; } td a, nav a { color: var(--accent); }
figure { margin: 14px 0 20px; } figure svg { max-width: 760px; width: 100%; height: auto; font: 12px "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; fill: var(--ink); }
figcaption { font-size: 12px; color: var(--soft); } pre.query { font-size: 11px; max-height: 16em; overflow: auto; }
footer { margin-top: 40px; border-top: 1px solid var(--line); padding-top: 12px; font-size: 12px; color: var(--soft); }
@media (max-width: 760px) { .cards { grid-template-columns: repeat(2, 1fr); } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; } }
@media print { body { padding: 0; max-width: none; font-size: 10.5pt; } h2 { break-after: avoid; } tr, .card, .box { break-inside: avoid; }
  td pre { max-height: none; overflow: visible; } thead { display: table-header-group; } pre.query { max-height: none; overflow: visible; } nav { display: none; } .paged { break-before: page; } h3 { break-after: avoid; } figure { break-inside: avoid; }
  @page { margin: 16mm 14mm 18mm; @bottom-right { content: counter(page) " of " counter(pages); font: 9px Arial, sans-serif; color: #5a6877; } } }
`;
