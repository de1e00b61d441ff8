import * as fs from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { formatCheckpoint } from './checkpoint.ts';
import { generateWitnessKey } from './cosignature.ts';
import type { PrivateKey } from './keys.ts';
import { generateSigner, type NoteSigner, type NoteVerifier, signNote } from './note.ts';
import { consistencyProof } from './proof.ts';
import { temporaryDirectory } from './test-log.ts';
import type { TileReader } from './tiles.ts';
import { HASH_BYTES, TILE_WIDTH, Tree } from './tree.ts';
import { WitnessLogs } from './witness-logs.ts';
import { formatSubmission } from './witness-protocol.ts';
import { type WitnessServerOptions, witnessServer } from './witness-server.ts';

/** A log in memory that can be honest, or fork. */
export class TestTree {
  readonly signer: NoteSigner;
  readonly #leaves: string[] = [];

  constructor(signer: NoteSigner = generateSigner('log.example/1')) {
    this.signer = signer;
  }

  /** Another log of the same key that begins as this one does. */
  fork(size: number): TestTree {
    const fork = new TestTree(this.signer);
    fork.#leaves.push(...this.#leaves.slice(0, size));
    return fork;
  }

  grow(count: number, what = 'x'): this {
    for (let i = 0; i < count; i++) {
      this.#leaves.push(Buffer.alloc(HASH_BYTES, `${what}${this.#leaves.length}-`).toString('latin1'));
    }
    return this;
  }

  note(size = this.#leaves.length): string {
    const root = this.#tree(size).tree.root;
    return signNote(formatCheckpoint({ origin: this.signer.name, size, root }), this.signer);
  }

  proof(old: number, size = this.#leaves.length): Buffer[] {
    return consistencyProof(this.#tree(size).read, old, size);
  }

  submission(old: number, size = this.#leaves.length): string {
    return formatSubmission({ old, proof: this.proof(old, size), note: this.note(size) });
  }

  #tree(size: number): { tree: Tree; read: TileReader } {
    const full = new Map<string, Buffer>();
    const tree = new Tree((level, n, hashes) => full.set(`${level}/${n}`, hashes));
    for (const leaf of this.#leaves.slice(0, size)) tree.append(leaf);
    const read: TileReader = (level, n, width) => {
      const tile = full.get(`${level}/${n}`) ?? tree.partial(level);
      return tile.subarray(0, Math.min(width, TILE_WIDTH) * HASH_BYTES);
    };
    return { tree, read };
  }
}

export interface TestWitness {
  readonly dir: string;
  readonly key: PrivateKey;
  readonly logs: WitnessLogs;
  readonly server: Server;
  readonly said: string[];
  readonly url: string;
}

/** A witness that listens on a free port of this machine until the test is over. */
export async function startWitness(
  context: TestContext,
  watched: readonly NoteVerifier[],
  options: Partial<WitnessServerOptions> = {},
): Promise<TestWitness> {
  const dir = temporaryDirectory();
  const key = generateWitnessKey('witness.example/w1');
  const said: string[] = [];
  const say = (message: string): void => void said.push(message);
  const logs = new WitnessLogs(dir, key, watched, say);
  const server = witnessServer({ logs, say, ...options });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    fs.rmSync(dir, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  return { dir, key, logs, server, said, url: `http://127.0.0.1:${port}` };
}
