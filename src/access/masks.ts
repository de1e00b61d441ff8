import { isDeepStrictEqual } from 'node:util';
import { PosternError } from '../core/errors.ts';
import { uuidv7 } from '../core/ids.ts';
import type { DetectorName, MaskMatch, Probes, Transform } from '../core/masks.ts';
import type { Actor, RecordType, Ref } from '../core/record.ts';
import { nowMicros, rfc3339 } from '../core/time.ts';
import { checkName, checkReason } from '../identity/input.ts';
import { type ClassName, withClasses } from '../masking/classes.ts';
import { parseColumnPattern, parseNamePattern } from '../masking/patterns.ts';
import type { Change, ChangeLog } from '../store/changes.ts';
import type { MaskRule } from '../store/entities.ts';
import {
  findGrant,
  findMask,
  findPrincipal,
  findResource,
  found,
  listMasks,
  type MaskFilter,
  type Page,
} from '../store/queries.ts';
import type { StateDb } from '../store/store.ts';

/** A transform as it is asked for: what is left out has a default. */
export interface TransformInput {
  readonly kind: Transform['kind'];
  readonly keep?: number | undefined;
  readonly date?: 'month' | 'year' | undefined;
  readonly bucket?: number | undefined;
  readonly prefix?: number | undefined;
}

/** What is masked and how. */
export interface MaskInput {
  readonly classes?: readonly ClassName[] | undefined;
  readonly columns?: readonly string[] | undefined;
  readonly names?: readonly string[] | undefined;
  readonly detectors?: readonly DetectorName[] | undefined;
  readonly transform?: TransformInput | undefined;
  readonly probes?: Probes | undefined;
}

export interface NewMask extends MaskInput {
  readonly name?: string | undefined;
  readonly resource?: string | undefined;
  readonly principal?: string | undefined;
  readonly grant?: string | undefined;
  readonly reason?: string | undefined;
}

/** Column and name patterns of one rule. */
const PATTERNS_MAX = 200;

/** Mask rules: what is shown only masked. A rule can hide more than others do, and never less. */
export class Masks {
  readonly #db: StateDb;
  readonly #changes: ChangeLog;

  constructor(db: StateDb, changes: ChangeLog) {
    this.#db = db;
    this.#changes = changes;
  }

  /**
   * Makes a rule. It holds at once for every new statement.
   *
   * @param input.grant only under this grant; principal and resource are then the grant's
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID; POSTERN_CONFLICT where the name is or was taken
   */
  create(actor: Actor, input: NewMask): Promise<MaskRule> {
    const match = checkMatch(input);
    const transform = checkTransform(input.transform ?? { kind: 'redact' });
    const why = input.reason === undefined ? undefined : checkReason(input.reason);
    const id = uuidv7();
    const name = checkName(input.name ?? `${input.classes?.[0] ?? 'mask'}-${id.slice(-8)}`, 'mask');
    return this.#changes.run(actor, async (db) => {
      if ((await findMask(db, name)) !== undefined) {
        throw new PosternError(
          'POSTERN_CONFLICT',
          `A mask rule called ${name} exists or existed.`,
          'Names are never reused. Choose another.',
        );
      }
      const after: MaskRule = {
        id,
        name,
        revision: 1,
        ...(await place(db, input)),
        match,
        transform,
        probes: input.probes ?? 'deny',
        status: 'active',
        statusReason: null,
        createdAt: rfc3339(nowMicros()),
      };
      return { changes: [changeOf('mask.created', null, after, why)], result: after };
    });
  }

  /**
   * The rules in force, and what they would be with others in the place of those of the same names, or beside them. Nothing is changed.
   *
   * @throws PosternError as `create`; POSTERN_CONFLICT where a name was used and is retired
   */
  async proposed(
    inputs: readonly (NewMask & { readonly name: string })[],
  ): Promise<{ readonly before: readonly MaskRule[]; readonly after: readonly MaskRule[] }> {
    const before = await listMasks(this.#db, { status: 'active' });
    const after = new Map(before.map((each) => [each.name, each]));
    for (const input of inputs) {
      const name = checkName(input.name, 'mask');
      const known = await findMask(this.#db, name);
      const is = known === undefined ? undefined : active(known, name);
      after.set(name, {
        id: is?.id ?? uuidv7(),
        name,
        revision: (is?.revision ?? 0) + 1,
        ...(is === undefined ? await place(this.#db, input) : placeOf(is)),
        match: checkMatch(input),
        transform: checkTransform(input.transform ?? { kind: 'redact' }),
        probes: input.probes ?? 'deny',
        ...{ status: 'active', statusReason: null, createdAt: is?.createdAt ?? rfc3339(nowMicros()) },
      });
    }
    return { before, after: [...after.values()] };
  }

  /**
   * Changes what a rule masks, or how; where it holds stays. What is given of the match replaces all of it.
   *
   * @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID; POSTERN_CONFLICT when it is retired or nothing would change
   */
  update(actor: Actor, ref: string, input: MaskInput, reason: string): Promise<MaskRule> {
    const why = checkReason(reason);
    const { classes, columns, names, detectors, transform, probes } = input;
    const match = [classes, columns, names, detectors].some((each) => each !== undefined)
      ? checkMatch(input)
      : undefined;
    const changed = transform === undefined ? undefined : checkTransform(transform);
    return this.#changes.run(actor, async (db) => {
      const before = active(await findMask(db, ref), ref);
      const after: MaskRule = {
        ...before,
        revision: before.revision + 1,
        match: match ?? before.match,
        transform: changed ?? before.transform,
        probes: probes ?? before.probes,
      };
      if (isDeepStrictEqual({ ...after, revision: before.revision }, before)) {
        throw new PosternError('POSTERN_CONFLICT', `${before.name} is so already: nothing would change.`);
      }
      return { changes: [changeOf('mask.updated', before, after, why)], result: after };
    });
  }

  /** Ends a rule for good. @throws PosternError POSTERN_NOT_FOUND; POSTERN_CONFLICT when it is retired already */
  retire(actor: Actor, ref: string, reason: string): Promise<MaskRule> {
    const why = checkReason(reason);
    return this.#changes.run(actor, async (db) => {
      const before = active(await findMask(db, ref), ref);
      const after: MaskRule = { ...before, status: 'retired', statusReason: why };
      return { changes: [changeOf('mask.retired', before, after, why)], result: after };
    });
  }

  /** @throws PosternError POSTERN_NOT_FOUND */
  async get(ref: string): Promise<MaskRule> {
    return found(await findMask(this.#db, ref), 'mask rule', ref);
  }

  list(filter: MaskFilter, page?: Page): Promise<MaskRule[]> {
    return listMasks(this.#db, filter, page);
  }
}

function active(rule: MaskRule | undefined, ref: string): MaskRule {
  const known = found(rule, 'mask rule', ref);
  if (known.status === 'active') return known;
  throw new PosternError('POSTERN_CONFLICT', `The mask rule ${known.name} is retired.`, 'Make a new one.');
}

function changeOf(type: RecordType, before: MaskRule | null, after: MaskRule, reason?: string): Change {
  const { principal } = after;
  return { type, entity: 'mask', before, after, ...(principal !== null && { principal }), reason };
}

/** Where a rule holds never changes. */
const placeOf = ({ resource, principal, grant }: MaskRule) => ({ resource, principal, grant });

/** Where a rule holds: of what is not named, everywhere. */
async function place(
  db: StateDb,
  { resource, principal, grant }: NewMask,
): Promise<Pick<MaskRule, 'resource' | 'principal' | 'grant'>> {
  const on = resource === undefined ? null : found(await findResource(db, resource), 'resource', resource);
  const of =
    principal === undefined ? null : found(await findPrincipal(db, principal), 'principal', principal);
  if (grant === undefined) return { resource: refOf(on), principal: refOf(of), grant: null };
  const under = found(await findGrant(db, grant), 'grant', grant);
  if ((on ?? under.resource).id !== under.resource.id || (of ?? under.principal).id !== under.principal.id) {
    throw new PosternError('POSTERN_INVALID', 'The grant is of another principal or resource.');
  }
  if (under.status !== 'active') {
    throw new PosternError('POSTERN_CONFLICT', `The grant ${grant} is ${under.status}.`);
  }
  return { resource: under.resource, principal: under.principal, grant: under.id };
}

const refOf = (entity: Ref | null): Ref | null => entity && { id: entity.id, name: entity.name };

/** What an input matches, classes spelled out. @throws PosternError POSTERN_INVALID */
export function checkMatch({ classes = [], columns = [], names = [], detectors = [] }: MaskInput): MaskMatch {
  const match = withClasses({ columns, names, detectors }, classes);
  if (match.columns.length + match.names.length > PATTERNS_MAX) {
    throw new PosternError('POSTERN_INVALID', `A mask rule has at most ${PATTERNS_MAX} patterns.`);
  }
  for (const pattern of match.columns) parseColumnPattern(pattern);
  for (const pattern of match.names) parseNamePattern(pattern);
  if (match.columns.length + match.names.length + match.detectors.length === 0) {
    throw new PosternError(
      'POSTERN_INVALID',
      'The mask rule matches nothing.',
      'Name a class, columns, column names or detectors.',
    );
  }
  return match;
}

/** A transform with its defaults. @throws PosternError POSTERN_INVALID */
export function checkTransform({ kind, keep, date, bucket, prefix }: TransformInput): Transform {
  const given = { keep, date, bucket, prefix };
  const fitting: Readonly<Record<string, readonly string[]>> = {
    partial: ['keep'],
    generalise: ['date', 'bucket', 'prefix'],
  };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !fitting[kind]?.includes(name)) {
      throw new PosternError('POSTERN_INVALID', `The transform ${kind} takes no ${name}.`);
    }
  }
  if (kind === 'partial') return { kind, keep: checkCount(keep ?? 4, 'keep', 1, 16) };
  if (kind !== 'generalise') return { kind };
  return {
    kind,
    date: date ?? 'year',
    // A bucket of one would leave whole numbers as they are.
    bucket: checkCount(bucket ?? 1000, 'bucket', 2, 1_000_000_000_000),
    prefix: checkCount(prefix ?? 2, 'prefix', 0, 8),
  };
}

function checkCount(value: number, what: string, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new PosternError('POSTERN_INVALID', `${what} is a whole number from ${min} to ${max}.`);
}
