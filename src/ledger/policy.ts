import { PosternError } from '../core/errors.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { cosignaturesOf, parseWitnessKey } from './cosignature.ts';
import { hasControl, type PublicKey } from './keys.ts';
import { type NoteVerifier, parseVerifierKey, splitNote } from './note.ts';

/**
 * Which logs are known, and which witnesses must have cosigned a checkpoint before it is relied on.
 *
 * @see https://c2sp.org/tlog-policy
 */

const MAX_POLICY_BYTES = 256 * 1024;
const MAX_ITEMS = 1024;

export interface PolicyWitness {
  readonly name: string;
  readonly key: PublicKey;
  readonly url: string | null;
}

interface Group {
  readonly name: string;
  readonly least: number;
  readonly members: readonly string[];
}

export interface Policy {
  readonly logs: readonly NoteVerifier[];
  readonly witnesses: readonly PolicyWitness[];
  /** In the order of the file: members come before the group that has them. */
  readonly groups: readonly Group[];
  /** A witness or group; null for `none`. */
  readonly quorum: string | null;
}

/** What a policy says of a checkpoint. */
export interface PolicyResult {
  /** Whether the checkpoint is signed by a log of the policy and cosigned by a quorum. */
  readonly met: boolean;
  /** Whether a log of the policy signed it; null where the policy lists none, and another key has to say so. */
  readonly log: boolean | null;
  readonly quorum: boolean;
  readonly cosigned: readonly PolicyCosignature[];
  /** Witnesses of the policy without a cosignature, by their names in it. */
  readonly absent: readonly string[];
}

export interface PolicyCosignature {
  /** Name in the policy. */
  readonly witness: string;
  /** Name of its key. */
  readonly key: string;
  /** Seconds since the epoch, in the words of the witness. */
  readonly time: number;
}

/** Reads a policy. @throws PosternError `POSTERN_INVALID`, naming the line */
export function parsePolicy(text: string): Policy {
  if (Buffer.byteLength(text) > MAX_POLICY_BYTES) {
    throw new PosternError('POSTERN_INVALID', 'The witness policy is larger than 256 KiB.');
  }
  const reader = new PolicyReader();
  for (const [i, line] of text.split('\n').entries()) {
    try {
      reader.line(line);
    } catch (error) {
      const why = (error as Error).message;
      throw new PosternError('POSTERN_INVALID', `Line ${i + 1} of the witness policy: ${why}`);
    }
  }
  return reader.end();
}

class PolicyReader {
  readonly #logs: NoteVerifier[] = [];
  readonly #witnesses: PolicyWitness[] = [];
  readonly #groups: Group[] = [];
  readonly #names = new Set<string>(['none']);
  readonly #members = new Set<string>();
  #quorum: string | null | undefined;

  line(line: string): void {
    if (hasControl(line.replaceAll('\t', ''))) throw new Error('It has a control character.');
    const [keyword, ...words] = line.split(/[ \t]+/).filter((word) => word !== '');
    if (keyword === undefined || keyword.startsWith('#')) return;
    if (this.#logs.length + this.#names.size > MAX_ITEMS)
      throw new Error('There are more items than are read.');
    const [first, second, third] = words;
    if (keyword === 'log' && first !== undefined && words.length <= 2) this.#log(first);
    else if (keyword === 'witness' && first !== undefined && second !== undefined && words.length <= 3) {
      this.#witness(first, second, third ?? null);
    } else if (keyword === 'group' && first !== undefined && second !== undefined && third !== undefined) {
      this.#group(first, second, words.slice(2));
    } else if (keyword === 'quorum' && first !== undefined && words.length === 1) this.#setQuorum(first);
    else throw new Error('It is not a line of a policy.');
  }

  end(): Policy {
    if (this.#quorum === undefined) {
      throw new PosternError('POSTERN_INVALID', 'The witness policy has no quorum line.');
    }
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
    };
  }

  #log(vkey: string): void {
    const key = parseVerifierKey(vkey);
    if (this.#logs.some((known) => known.publicKey.equals(key.publicKey)))
      throw new Error('The log is there twice.');
    this.#logs.push(key);
  }

  #witness(name: string, vkey: string, url: string | null): void {
    const key = parseWitnessKey(vkey);
    if (this.#witnesses.some((known) => known.key.publicKey.equals(key.publicKey))) {
      throw new Error('The key of this witness is there twice.');
    }
    this.#define(name);
    this.#witnesses.push({ name, key, url });
  }

  #group(name: string, threshold: string, members: readonly string[]): void {
    const least = threshold === 'all' ? members.length : threshold === 'any' ? 1 : Number(threshold);
    if (!/^(all|any|[1-9][0-9]{0,3})$/.test(threshold) || least > members.length) {
      throw new Error(`"${threshold}" is not "all", "any" or a number of its members.`);
    }
    for (const member of members) {
      this.#mustBeDefined(member);
      if (this.#members.has(member)) throw new Error(`"${member}" is a member already.`);
      this.#members.add(member);
    }
    this.#define(name);
    this.#groups.push({ name, least, members });
  }

  #setQuorum(name: string): void {
    if (this.#quorum !== undefined) throw new Error('There is a quorum already.');
    if (name !== 'none') this.#mustBeDefined(name);
    this.#quorum = name === 'none' ? null : name;
  }

  #define(name: string): void {
    if (this.#names.has(name)) throw new Error(`The name "${name}" is taken.`);
    this.#names.add(name);
  }

  #mustBeDefined(name: string): void {
    if (name === 'none' || !this.#names.has(name)) throw new Error(`"${name}" is not defined above.`);
  }
}

/**
 * Applies a policy to a signed checkpoint.
 *
 * @throws PosternError `POSTERN_INVALID` where the note is no checkpoint, or carries a cosignature that does not hold of a witness of
 * the policy
 */
export function checkPolicy(policy: Policy, note: string | Uint8Array): PolicyResult {
  const cosignatures = cosignaturesOf(
    note,
    policy.witnesses.map(({ key }) => key),
  );
  const cosigned: PolicyCosignature[] = [];
  const absent: string[] = [];
  for (const { name, key } of policy.witnesses) {
    const found = cosignatures.find((one) => one.name === key.name && one.keyId === key.keyId);
    if (found) cosigned.push({ witness: name, key: key.name, time: found.time });
    else absent.push(name);
  }
  const satisfied = new Set(cosigned.map(({ witness }) => witness));
  for (const { name, least, members } of policy.groups) {
    if (members.filter((member) => satisfied.has(member)).length >= least) satisfied.add(name);
  }
  const quorum = policy.quorum === null || satisfied.has(policy.quorum);
  const log = policy.logs.length === 0 ? null : isSignedBy(policy.logs, note);
  return { met: quorum && log !== false, log, quorum, cosigned, absent };
}

function isSignedBy(logs: readonly NoteVerifier[], note: string | Uint8Array): boolean {
  const { text, signatures } = splitNote(note);
  const { origin } = parseCheckpoint(text);
  return signatures.some(({ name, keyId, signature }) =>
    logs.some(
      (log) => log.name === name && log.keyId === keyId && name === origin && log.verify(text, signature),
    ),
  );
}
