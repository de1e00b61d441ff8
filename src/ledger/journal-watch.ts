import * as fs from 'node:fs';
import { basename } from 'node:path';
import { JOURNAL_HEADER } from './journal-frame.ts';
import type { Incoming } from './journal-merge.ts';
import { type JournalFile, readJournal } from './journal-reader.ts';
import { idOf, idsSince } from './log-history.ts';
import type { LogState } from './log-state.ts';
import type { Loss } from './sequencer-db.ts';
import type { TileStore } from './tiles.ts';

/**
 * Sees to it that what the journals have becomes a leaf once: notices journals that are gone before all of them was in the
 * log, and records that are in the log already (a journal that was copied or put back, a position that was set back).
 */
export class JournalWatch {
  readonly #store: TileStore;
  /** Ids that the log has, as far as something that is still to be read may repeat them; null where nothing may. */
  #known: Set<string> | null = null;
  /** Ids of the step under way. */
  readonly #taken = new Set<string>();
  /** How far each journal is to be held against {@link #known}. */
  readonly #until = new Map<string, number>();
  /** Whether repeated records are what is to be expected. */
  #expected = false;
  #repeats = new Map<string, number>();

  constructor(store: TileStore) {
    this.#store = store;
  }

  /** Takes in journals that are new, from their first record on; says which are gone that were known. */
  look(state: LogState, journals: readonly JournalFile[]): Loss[] {
    const there = new Set(journals.map(({ path }) => basename(path)));
    const losses: Loss[] = [];
    for (const [file, position] of [...state.positions]) {
      if (there.has(file)) continue;
      const loss: Loss = { file, ...position, what: 'missing' };
      state.lose(loss, null);
      losses.push(loss);
    }
    for (const { path } of journals) {
      const file = basename(path);
      if (state.positions.has(file)) continue;
      const size = fs.statSync(path).size;
      if (size <= JOURNAL_HEADER.length) continue;
      state.move(file, { offset: 0, skip: 0 });
      const time = firstTime(path);
      if (time === null) continue;
      this.#known ??= new Set();
      for (const id of idsSince(state, this.#store, time)) this.#known.add(id);
      this.#until.set(file, size);
    }
    return losses;
  }

  /** Says which journals end before what is in the log of them. To be called before anybody writes. */
  shorter(state: LogState, journals: readonly JournalFile[]): Loss[] {
    const losses: Loss[] = [];
    for (const { path } of journals) {
      const file = basename(path);
      const position = state.positions.get(file);
      const size = fs.statSync(path).size;
      if (!position || size >= position.offset) continue;
      const loss: Loss = { file, ...position, what: 'shorter' };
      state.lose(loss, size);
      losses.push(loss);
    }
    return losses;
  }

  /** Reads all journals again from their beginnings, and takes of them what is not among `ids`. */
  startOver(state: LogState, journals: readonly JournalFile[], ids: Set<string>): void {
    this.#known = ids;
    this.#expected = true;
    for (const { path } of journals) {
      const file = basename(path);
      if (!state.positions.has(file)) continue;
      state.move(file, { offset: 0, skip: 0 });
      this.#until.set(file, fs.statSync(path).size);
    }
  }

  /** Whether the log has a record already, or the step under way. */
  isRepeat({ bytes, from }: Incoming): boolean {
    if (this.#known === null || from === null) return false;
    const id = idOf(bytes);
    if (id === undefined) return false;
    if (this.#known.has(id) || this.#taken.has(id)) {
      if (!this.#expected) this.#repeats.set(from.file, (this.#repeats.get(from.file) ?? 0) + 1);
      return true;
    }
    this.#taken.add(id);
    return false;
  }

  /** The step under way is in the log, or failed. */
  settle(state: LogState, done: boolean): void {
    if (done) for (const id of this.#taken) this.#known?.add(id);
    this.#taken.clear();
    if (!done) {
      this.#repeats.clear();
      return;
    }
    for (const [file, size] of this.#until) {
      if ((state.positions.get(file)?.offset ?? size) >= size) this.#until.delete(file);
    }
    if (this.#until.size === 0 && !this.#expected) this.#known = null;
  }

  /** Everything was read that could be. */
  release(): void {
    this.#until.clear();
    this.#known = null;
    this.#expected = false;
  }

  /** Whether positions that are saved now may stand between repeated records. */
  get unsure(): boolean {
    return this.#known !== null && (this.#expected || this.#repeats.size > 0);
  }

  /** How many records each journal repeated, since the last call. */
  takeRepeats(): { readonly file: string; readonly records: number }[] {
    const repeats = [...this.#repeats].map(([file, records]) => ({ file, records }));
    this.#repeats = new Map();
    return repeats;
  }
}

/** The time of the first record of a journal, the oldest; null where it has none that can be read. */
export function firstTime(path: string): string | null {
  const first = readJournal(path, 0, 1).records[0];
  if (!first) return null;
  try {
    const { time } = JSON.parse(first.json) as { readonly time?: unknown };
    return typeof time === 'string' ? time : null;
  } catch {
    // Damage is named by whoever reads on.
    return null;
  }
}
