import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, writePrivate } from '../../store/files.ts';

/** How far a sink has come. */
export interface Position {
  /** Every leaf before this one is delivered. */
  readonly next: number;
  /** When the last events were taken; null where none was yet. */
  readonly at: string | null;
}

/**
 * Where a sink goes on after a restart, in a file of its own. It is written after the events have come, so what was sent between
 * comes twice, and nothing is left out.
 */
export class PositionFile {
  readonly #path: string;

  constructor(dataDir: string, sink: string) {
    const dir = join(dataDir, 'sinks');
    ensureDirectory(dir);
    this.#path = join(dir, `${sink}.position`);
  }

  /** Null where there is none, or none that can be read. */
  read(): Position | null {
    if (!existsSync(this.#path)) return null;
    try {
      const { next, at } = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<Position>;
      if (!Number.isSafeInteger(next) || (next as number) < 0) return null;
      return { next: next as number, at: typeof at === 'string' ? at : null };
    } catch {
      return null; // What was torn is made up for from the first leaf: twice is better than never.
    }
  }

  write(position: Position): void {
    writePrivate(this.#path, `${JSON.stringify(position)}\n`);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}
