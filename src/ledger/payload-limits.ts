/** How much the payload store holds in memory. None of it decides what is stored, only how fast it is known. */
export interface PayloadLimits {
  /** Payloads of each kind that are known by their text. */
  readonly texts: number;
  /** Payloads whose blocks are known, at least; twice as many at most. */
  readonly recentPayloads: number;
  /** The newest payloads, from so many on, go into the tree on disk. */
  readonly runPayloads: number;
  /** Blocks that are read in a batch to learn what of a key is stored already. */
  readonly learntBlocks: number;
}

export const PAYLOAD_LIMITS: PayloadLimits = {
  texts: 16_384,
  // Fills a table of 2^21 places, 24 MiB.
  recentPayloads: 1_572_864,
  // Of its 64 rows each fits a page of the file, nearly always.
  runPayloads: 22_000,
  learntBlocks: 4096,
};
