/** What the fuzzer tries: a reader of bytes that come from outside, with what it promises whatever they are. */
export interface FuzzTarget {
  readonly name: string;
  /** Files of `src/` whose code counts as covered, as parts of their paths. */
  readonly covers: readonly string[];
  /** Inputs to begin with. */
  readonly seeds: readonly (string | Uint8Array)[];
  /** Pieces that are put into inputs. */
  readonly words: readonly (string | Uint8Array)[];
  /** Reads the input. Throws only when a promise is broken: refusals of the reader are no findings. */
  run(input: Buffer): void | Promise<void>;
  /** To be awaited once before the first `run`. */
  readonly ready?: () => Promise<void>;
}

/** Runs `read`; an error that is one of `refusals` is an answer, any other is a finding. */
export function answers<T>(
  read: () => T,
  ...refusals: readonly (abstract new (
    ...args: never[]
  ) => Error)[]
): T | null {
  try {
    return read();
  } catch (error) {
    if (refusals.some((refusal) => error instanceof refusal)) return null;
    throw error;
  }
}
