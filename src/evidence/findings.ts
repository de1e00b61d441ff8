import type { Ref } from '../core/record.ts';
import type { ErasureMember } from './erasures.ts';
import type { LogPosition, Manifest, Parameters, TextCounts } from './format.ts';
import type { LossMember } from './losses.ts';
import type { WitnessReport } from './verify-witnesses.ts';

/** Something that does not hold, named so that it can be found. */
export interface Finding {
  readonly check: string;
  /** Path inside the package. */
  readonly file: string;
  readonly leaf?: number;
  /** Id of the record or thing. */
  readonly record?: string;
  readonly message: string;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** How many things were looked at. */
  readonly count: number;
  readonly detail: string;
}

export interface Report {
  readonly ok: boolean;
  /** The keys that the signatures were checked with, one a line; `pinned` where the caller gave it, otherwise it came out of the package itself. */
  readonly key: { readonly vkey: string; readonly pinned: boolean } | null;
  /** Who made the package, and when, as its manifest states. */
  readonly made: { readonly at: string; readonly by: Ref } | null;
  readonly log: LogPosition | null;
  readonly parameters: Parameters | null;
  readonly coverage: Manifest['coverage'] | null;
  /** Null where no policy names witnesses. */
  readonly witnesses: WitnessReport | null;
  /** What is shown of the texts of the commands. */
  readonly texts: TextCounts | null;
  /** Texts that were destroyed, as the records in the package say. */
  readonly erasures: readonly ErasureMember[];
  /** What is not in the log although it was journalled, as the records in the package say. */
  readonly losses: readonly LossMember[];
  readonly checks: readonly CheckResult[];
  readonly findings: readonly Finding[];
}

/** Findings of one check that are reported one by one; the others are only counted. */
const SHOWN = 50;

/** A check as it goes from one thread to another. */
export interface CheckState {
  readonly findings: readonly Finding[];
  readonly problems: number;
  readonly count: number;
  readonly detail: string;
  readonly begun: boolean;
}

/** One thing that verification looks at. */
export class Check {
  readonly name: string;
  readonly #findings: Finding[] = [];
  #problems = 0;
  #count = 0;
  #detail = '';
  #begun = false;

  constructor(name: string) {
    this.name = name;
  }

  get ok(): boolean {
    return this.#begun && this.#problems === 0;
  }

  /** A check that was never begun, because what it needs does not hold, is not passed. */
  begin(): void {
    this.#begun = true;
  }

  looked(count = 1): void {
    this.#count += count;
  }

  /** What is to be said where all is well. */
  says(detail: string): void {
    this.#detail = detail;
  }

  problem(
    file: string,
    message: string,
    where: { readonly leaf?: number; readonly record?: string } = {},
  ): void {
    this.#problems += 1;
    if (this.#findings.length < SHOWN) this.#findings.push({ check: this.name, file, ...where, message });
  }

  state(): CheckState {
    const [findings, problems, count] = [this.#findings, this.#problems, this.#count];
    return { findings, problems, count, detail: this.#detail, begun: this.#begun };
  }

  /** Goes on from where the same check got to elsewhere. */
  takeOver({ findings, problems, count, detail, begun }: CheckState): void {
    for (const finding of findings.slice(0, SHOWN - this.#findings.length)) {
      this.#findings.push({ ...finding, check: this.name });
    }
    this.#problems += problems;
    this.#count += count;
    this.#detail = detail;
    this.#begun ||= begun;
  }

  result(): CheckResult {
    if (!this.#begun) return { name: this.name, ok: false, count: 0, detail: 'not checked' };
    const detail = this.ok
      ? this.#detail
      : `${this.#problems} ${this.#problems === 1 ? 'problem' : 'problems'}`;
    return { name: this.name, ok: this.ok, count: this.#count, detail };
  }

  findings(): Finding[] {
    const hidden = this.#problems - this.#findings.length;
    const last = this.#findings.at(-1);
    if (hidden === 0 || last === undefined) return this.#findings;
    return [
      ...this.#findings,
      { check: this.name, file: last.file, message: `And ${hidden} more of this check.` },
    ];
  }
}
