import { once } from 'node:events';
import { join } from 'node:path';
import { PosternError } from '../core/errors.ts';
import { cosignaturesOf } from '../ledger/cosignature.ts';
import { type CosignedCheckpoint, readCosigned, writeCosigned } from '../ledger/cosigned.ts';
import { parseVerifierKeys, splitNote } from '../ledger/note.ts';
import { checkPolicy, type Policy, type PolicyResult, parsePolicy } from '../ledger/policy.ts';
import { TileStore } from '../ledger/tiles.ts';
import {
  type Circulating,
  circulating,
  type WitnessConfig,
  WitnessLink,
  type WitnessStatus,
} from './witness-link.ts';
import { WitnessStore } from './witness-store.ts';

export type { WitnessConfig, WitnessStatus } from './witness-link.ts';

export interface WitnessingOptions {
  readonly dataDir: string;
  readonly witnesses: readonly WitnessConfig[];
  /** A policy as tlog-policy writes it: then only what meets it counts as cosigned. */
  readonly policy: string | null;
  /** A checkpoint is submitted at most so often. */
  readonly intervalMs: number;
  /** The log as it stands. */
  readonly log: () => { readonly checkpoint: string; readonly vkey: string };
  /** Told when the state of a witness changes. */
  readonly say: (message: string) => void;
}

export interface WitnessingStatus {
  readonly witnesses: readonly WitnessStatus[];
  /** The newest checkpoint with cosignatures, enough of them where there is a policy; null before the first. */
  readonly cosigned: CosignedCheckpoint | null;
  /** What the policy says of that checkpoint; null without a policy or a checkpoint. */
  readonly policy: PolicyResult | null;
}

const WARNINGS: Partial<Record<WitnessStatus['state'], string>> = {
  lagging: 'has not cosigned for a while',
  unreachable: 'is unreachable',
  refuses: 'refuses to cosign',
};

interface Round extends Circulating {
  readonly lines: Map<WitnessLink, string>;
}

/**
 * Takes the log's checkpoints to its witnesses, each for itself: none waits for another, and nothing of the gateway or the
 * sequencer waits for any. What they answer ends up in `witness.db` and `log/checkpoint.cosigned`.
 */
export class Witnessing {
  readonly #options: WitnessingOptions;
  readonly #logDir: string;
  readonly #store: WitnessStore;
  readonly #policy: Policy | null;
  readonly #links: readonly WitnessLink[];
  readonly #underway = new Set<Promise<void>>();
  #round: Round | null = null;
  #cosigned: CosignedCheckpoint | null;
  #timer: NodeJS.Timeout | null = null;
  readonly #closing = new AbortController();

  /** @throws PosternError POSTERN_INVALID for a key, address or policy that is none */
  static open(options: WitnessingOptions): Witnessing {
    const store = new WitnessStore(join(options.dataDir, 'witness.db'));
    try {
      return new Witnessing(options, store);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  private constructor(options: WitnessingOptions, store: WitnessStore) {
    this.#options = options;
    this.#logDir = join(options.dataDir, 'log');
    this.#store = store;
    this.#policy = options.policy === null ? null : parsePolicy(options.policy);
    const { readTile } = new TileStore(this.#logDir);
    this.#links = options.witnesses.map(
      (config) => new WitnessLink(checked(config), store, readTile, options.intervalMs),
    );
    for (const [what, values] of [
      ['name', this.#links.map(({ config }) => config.name)],
      ['key', this.#links.map(({ key }) => key.publicKey.toString('hex'))],
    ] as const) {
      if (new Set(values).size < values.length) throw invalid(`Two witnesses have the same ${what}.`);
    }
    this.#cosigned = readCosigned(this.#logDir);
  }

  /** Begins to submit. */
  start(): void {
    if (this.#links.length === 0) return;
    this.submit();
    this.#timer = setInterval(() => this.submit(), this.#options.intervalMs);
  }

  /** Submits the last checkpoint to the witnesses that lack it and are not given a rest. */
  submit(): void {
    try {
      const { checkpoint, vkey } = this.#options.log();
      const now = circulating(checkpoint, parseVerifierKeys(vkey));
      if (this.#round?.note !== now.note) this.#round = { ...now, lines: this.#linesOf(now) };
      const round = this.#round;
      for (const link of this.#links) if (link.isDue(now.size)) this.#submit(link, round);
    } catch (error) {
      this.#options.say(`checkpoints are not submitted to witnesses: ${(error as Error).message}`);
    }
  }

  /**
   * Submits, waits for the answers, though not for longer than said, and gives the newest cosigned checkpoint.
   *
   * @param waitMs milliseconds
   */
  async freshen(waitMs: number): Promise<CosignedCheckpoint | null> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), waitMs);
    const end = once(late.signal, 'abort');
    this.submit();
    const size = this.#round?.size ?? 0;
    await Promise.race([Promise.all(this.#underway), end]);
    if ((this.#cosigned?.size ?? -1) < size && !late.signal.aborted) {
      // A witness that was busy with an older checkpoint has answered now, and gets the new one.
      this.submit();
      await Promise.race([Promise.all(this.#underway), end]);
    }
    clearTimeout(timer);
    return this.#cosigned;
  }

  status(): WitnessingStatus {
    const size = circulating(
      this.#options.log().checkpoint,
      parseVerifierKeys(this.#options.log().vkey),
    ).size;
    const cosigned = this.#cosigned;
    return {
      witnesses: this.#links.map((link) => link.status(size)),
      cosigned,
      policy: this.#policy && cosigned ? checkPolicy(this.#policy, cosigned.note) : null,
    };
  }

  /** What is not as it should be with the witnesses, in words for anybody. The gateway works all the same. */
  warnings(): string[] {
    return this.status().witnesses.flatMap(({ name, state }) => {
      const what = WARNINGS[state];
      return what === undefined ? [] : [`The witness ${name} ${what}.`];
    });
  }

  /** Stops submitting; what is under way is broken off. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#closing.abort();
    await Promise.all(this.#underway);
    this.#store.close();
  }

  #submit(link: WitnessLink, round: Round): void {
    const before = link.status(round.size).state;
    const done = link.submit(round, this.#closing.signal).then((line) => {
      const { state, error } = link.status(round.size);
      if (state !== before) {
        this.#options.say(`witness ${link.config.name}: ${state}${error === null ? '' : `, ${error}`}`);
      }
      if (line !== null) this.#keep(link, line, round);
    });
    const tracked = done
      .catch((error: unknown) => this.#options.say(`witness ${link.config.name}: ${String(error)}`))
      .finally(() => this.#underway.delete(tracked));
    this.#underway.add(tracked);
  }

  /** The cosignatures that there are of this very checkpoint from before a restart. */
  #linesOf({ note }: Circulating): Round['lines'] {
    const lines: Round['lines'] = new Map();
    if (this.#cosigned === null || splitNote(this.#cosigned.note).text !== splitNote(note).text) return lines;
    for (const link of this.#links) {
      const [found] = cosignaturesOf(this.#cosigned.note, [link.key]);
      if (found) lines.set(link, found.line);
    }
    return lines;
  }

  /** Publishes the checkpoint with its cosignatures where it is newer, or has more, than the one published. */
  #keep(link: WitnessLink, line: string, round: Round): void {
    round.lines.set(link, line);
    if (this.#cosigned !== null && this.#cosigned.size > round.size) return;
    const note = `${round.note}${[...round.lines.values()].map((one) => `${one}\n`).join('')}`;
    if (this.#policy !== null && !checkPolicy(this.#policy, note).met) return;
    writeCosigned(this.#logDir, note);
    this.#cosigned = { note, size: round.size };
  }
}

function checked(config: WitnessConfig): WitnessConfig {
  const url = URL.canParse(config.url) ? new URL(config.url) : null;
  const plain =
    url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!plain || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid(`The address of the witness ${config.name} is not a plain http or https URL.`);
  }
  return config;
}

function invalid(message: string): PosternError {
  return new PosternError('POSTERN_INVALID', message);
}
