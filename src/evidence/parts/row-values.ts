import type { PayloadShown, ShownCommandRow } from '../format.ts';
import type { RowScan, TextPlace } from './row-scan.ts';

/** Kinds of commands whose rows are kept. */
const KINDS = 4096;

/** Rows of commands, of which those of a kind share what they have in common. */
export class RowValues {
  readonly #kinds = new Map<string, ShownCommandRow | null>();

  /** The row of a scan, but for commitments and salts; null where it has to be read as a whole. */
  row(scan: RowScan): ShownCommandRow | null {
    let like = this.#kinds.get(scan.kind);
    if (like === undefined) like = this.#learn(scan);
    if (like === null) return null;
    const { text, statement, parameters } = scan;
    return {
      leaf: Number(scan.leaf),
      outcomeLeaf: Number(scan.outcomeLeaf),
      id: scan.id,
      time: scan.time,
      decision: like.decision,
      principal: like.principal,
      owner: like.owner,
      session: like.session,
      resource: like.resource,
      grant: like.grant,
      approvers: like.approvers,
      ticket: like.ticket,
      justification: like.justification,
      verbs: like.verbs,
      objects: like.objects,
      fingerprint: like.fingerprint,
      why: like.why,
      status: like.status,
      code: JSON.parse(scan.code) as string,
      rows: Number(scan.rows),
      bytes: Number(scan.bytes),
      durationUs: Number(scan.durationUs),
      payloads: {
        statement: fullText(text, statement),
        ...(parameters !== null && { parameters: fullText(text, parameters) }),
      },
    };
  }

  /** Looks at the first row of a kind, whether all is written as `JSON.stringify` would. */
  #learn(scan: RowScan): ShownCommandRow | null {
    const text = Buffer.from(scan.text, 'latin1').toString('utf8');
    const row = JSON.parse(text) as ShownCommandRow;
    const like = JSON.stringify(row) === text ? row : null;
    if (this.#kinds.size >= KINDS) this.#kinds.clear();
    // What is kept has to be a copy: a piece of a text keeps all of it.
    this.#kinds.set(Buffer.from(scan.kind, 'latin1').toString('latin1'), like);
    return like;
  }
}

/** A text that is shown in full. */
function fullText(text: string, { from, to }: TextPlace): PayloadShown {
  const written = text.slice(from, to);
  const is = written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
  return { commitment: '', bytes: 0, salt: '', text: is };
}
