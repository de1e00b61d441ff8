import type { ErrorCode } from '../../core/errors.ts';
import type { GrantView } from '../../core/views.ts';
import type { Directory } from '../contract.ts';
import { addressOf, isActive } from '../grant-conditions.ts';
import { allowFragment, type SessionIdentity } from '../session-records.ts';
import type { Classified } from './classified.ts';
import { compileConditions } from './conditions.ts';
import { type MaskRefusal, SessionMasks, type StatementMask } from './mask.ts';
import { effectivePath, type RelationCatalog, type SearchPath } from './names.ts';
import type { DatabaseCatalog } from './relations.ts';
import {
  type CatalogAccess,
  type CompiledScope,
  compileScope,
  covers,
  type Denial,
  parseScope,
  touched,
} from './scope.ts';
import type { Known } from './statements.ts';

export interface Allowed {
  readonly effect: 'allow';
  readonly grant: GrantView;
  /** What the intent record says of it (see `allowFragment`). */
  readonly fragment: string;
  /** What has to be masked in its results; null where nothing can be. */
  readonly mask: StatementMask | null;
}

export interface Denied {
  readonly effect: 'deny';
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly position: number | undefined;
  readonly verbs: readonly string[];
  readonly objects: readonly string[];
}

/** `names`: the names of the database must be read first. `path`: the search path must be known first. */
export type Decision = Allowed | Denied | 'names' | 'path';

/** Who and where a session of PostgreSQL is. */
export interface DatabaseIdentity extends SessionIdentity {
  /** Who the session is in the database. */
  readonly upstreamUser: string;
  /** Ids of the grants that count, where the database must have them too; null: all. */
  readonly joined: ReadonlySet<string> | null;
}

const compiled = new Map<string, CompiledScope>();
const MAX_COMPILED = 10_000;

function compile(text: string): CompiledScope {
  let scope = compiled.get(text);
  if (scope === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    scope = compileScope(parseScope(text));
    compiled.set(text, scope);
  }
  return scope;
}

/** Decides for one session whether a statement is covered by one of its grants, and remembers what it decided. */
export class Decider {
  readonly #who: DatabaseIdentity;
  readonly #directory: Directory;
  readonly #catalog: DatabaseCatalog;
  /** Address of the client. */
  readonly #source: string;
  readonly #masks: SessionMasks;
  #pathSetting: string;
  /** False while a change of the search path is on its way. */
  pathKnown = true;
  #path: SearchPath = [];
  #madeWith: RelationCatalog | null = null;
  /** The same, with what the principal may do about it. */
  #names: RelationCatalog | null = null;
  #grants: readonly GrantView[] = [];
  /** Those that the session's role does not have. */
  #others: readonly GrantView[] = [];
  #decided = new Map<Known, Allowed>();
  #meanings = new Map<Known, string>();

  /** @param maskKey the installation's mask key */
  constructor(
    who: DatabaseIdentity,
    directory: Directory,
    catalog: DatabaseCatalog,
    pathSetting: string,
    maskKey: Uint8Array,
  ) {
    this.#who = who;
    this.#masks = new SessionMasks(maskKey);
    this.#source = addressOf(who.source);
    this.#directory = directory;
    this.#catalog = catalog;
    this.#pathSetting = pathSetting;
    this.grantsChanged();
  }

  /** The grants this session may stand under now, at `nowMs`. */
  active(nowMs: number): readonly GrantView[] {
    return this.#grants.filter((grant) => isActive(grant, nowMs));
  }

  /** All grants of the session that are known, ended ones too. */
  get grants(): readonly GrantView[] {
    return this.#grants;
  }

  /** Active grants that the session's role in the database does not have yet. */
  notJoined(nowMs: number): readonly GrantView[] {
    return this.#others.filter((grant) => isActive(grant, nowMs));
  }

  /** To be called after every change of the snapshot. */
  grantsChanged(): void {
    const { principal, resource, credential } = this.#who;
    const all = this.#directory.grantsOf(principal.id, resource.id);
    const own = credential.grantId === null ? all : all.filter((grant) => grant.id === credential.grantId);
    const { joined } = this.#who;
    this.#grants = joined === null ? own : own.filter((grant) => joined.has(grant.id));
    this.#others = joined === null ? [] : own.filter((grant) => !joined.has(grant.id));
    // In a role of its own the search path leads where the grants do.
    if (joined !== null) this.#madeWith = null;
    this.#forget();
  }

  /** Whether any mask rule may hold in this session. */
  get masks(): boolean {
    const { principal, resource } = this.#who;
    return this.#directory.masksOf(principal.id, resource.id).length > 0;
  }

  pathChanged(setting: string): void {
    if (setting === this.#pathSetting) return;
    this.#pathSetting = setting;
    this.#madeWith = null;
    this.#forget();
  }

  /** The search path as it is set; null while it is not known. */
  get path(): string | null {
    return this.pathKnown ? this.#pathSetting : null;
  }

  /** What the names in a statement mean now, for comparison; null where that depends on nothing. To be asked behind {@link decide}. */
  meaning(known: Known): string | null {
    if (!dependsOnPath(known)) return null;
    let meaning = this.#meanings.get(known);
    if (meaning === undefined) {
      if (this.#meanings.size >= MAX_COMPILED) this.#meanings.clear();
      meaning = JSON.stringify(touched(known.classified, this.#path, this.#names).objects);
      this.#meanings.set(known, meaning);
    }
    return meaning;
  }

  #forget(): void {
    this.#decided.clear();
    this.#meanings.clear();
  }

  /**
   * @param inner what EXECUTE or FETCH in it would run
   */
  decide(known: Known, inner: readonly Known[], nowMs: number): Decision {
    const names = this.#catalog.current();
    if (names === null) return 'names';
    if (names !== this.#madeWith) {
      this.#madeWith = names;
      this.#names = { ...names, mayVanish: (schema, name) => this.#mayVanish(schema, name) };
      this.#path = effectivePath(this.#pathSetting, this.#who.upstreamUser, names, this.#given());
      this.#forget();
    }
    const catalog = this.#names ?? names;
    if (!this.pathKnown && [known, ...inner].some(dependsOnPath)) return 'path';
    if (inner.length === 0) {
      const before = this.#decided.get(known);
      if (before !== undefined && isActive(before.grant, nowMs) && isOpen(before.grant, nowMs)) return before;
    }
    const classified = [known.classified, ...inner.map((each) => each.classified)];
    const what = {
      verbs: merge(classified, (each) => touched(each, this.#path, catalog).verbs),
      objects: merge(classified, (each) => touched(each, this.#path, catalog).objects),
      fingerprint: known.fingerprint,
    };
    const active = this.active(nowMs);
    let denial: Denial | null = null;
    for (const grant of active) {
      const scope = compile(grant.scope);
      const missing =
        firstDenial(classified, scope, this.#path, catalog, this.#who.resource.catalogAccess) ??
        conditionDenial(grant, [known, ...inner], this.#source, nowMs);
      const mask = missing === null ? this.#mask(known, inner, grant, catalog) : null;
      if (mask === 'names') return 'names';
      if (mask !== null && 'reason' in mask) {
        denial ??= { code: 'POSTERN_MASKED', verb: null, object: null, ...mask, scope: null };
        continue;
      }
      if (missing === null) {
        const allowed: Allowed = { effect: 'allow', grant, fragment: allowFragment(what, grant), mask };
        if (inner.length === 0) {
          if (this.#decided.size >= MAX_COMPILED) this.#forget();
          this.#decided.set(known, allowed);
        }
        return allowed;
      }
      denial ??= missing;
    }
    if (denial === null) {
      const { principal, resource } = this.#who;
      const message = `no grant of ${principal.name} on ${resource.name} is active`;
      return {
        effect: 'deny',
        code: 'POSTERN_GRANT_MISSING',
        message,
        hint: undefined,
        position: undefined,
        ...what,
      };
    }
    const position = classified.find((each) => each.denied !== null)?.denied?.position;
    return {
      effect: 'deny',
      code: denial.code,
      message: denial.reason,
      hint: this.#hint(denial),
      position,
      ...what,
    };
  }

  /**
   * In a role of the session's own: whether its grants give something in a schema, those that have ended too, since it may have that still.
   * Where they give nothing of the kind that a statement asks for, the decision refuses it.
   */
  #given(): ((schema: string) => boolean) | null {
    if (this.#who.joined === null) return null;
    const scopes = this.#grants.map((grant) => compile(grant.scope));
    return (schema) => scopes.some((scope) => scope.reaches(schema));
  }

  /** Whether the principal may take a name away, in this session or in another one, whichever of its grants that stands under. */
  #mayVanish(schema: string, name: string): boolean {
    const { principal, resource } = this.#who;
    return this.#directory.grantsOf(principal.id, resource.id).some((grant) => {
      const scope = compile(grant.scope);
      const moved = scope('drop', schema, name) || scope('alter', schema, name) || scope('alter', schema, '');
      return moved && grant.status === 'active';
    });
  }

  /** What the masks that hold under a grant make of a statement. */
  #mask(
    known: Known,
    inner: readonly Known[],
    grant: GrantView,
    catalog: RelationCatalog,
  ): StatementMask | MaskRefusal | 'names' | null {
    const { principal, resource } = this.#who;
    const plan = this.#masks.plan(this.#directory.masksOf(principal.id, resource.id), grant.id);
    if (plan === null) return null;
    const origins = this.#catalog.origins();
    return origins === null ? 'names' : this.#masks.check(plan, known, inner, this.#path, catalog, origins);
  }

  #hint(denial: Denial): string | undefined {
    if (denial.scope === null) return denial.hint ?? undefined;
    const { principal, resource } = this.#who;
    return (
      `Ask for a grant: postern grant add --principal ${principal.name} --resource ${resource.name} ` +
      `--scope '${denial.scope.replaceAll("'", "'\\''")}' --for 1h --ticket TICKET`
    );
  }
}

/** What depends on the time of day is not remembered. */
function isOpen(grant: GrantView, nowMs: number): boolean {
  return compileConditions(grant.conditions).open(nowMs);
}

function conditionDenial(
  grant: GrantView,
  all: readonly Known[],
  source: string,
  nowMs: number,
): Denial | null {
  const unmet = compileConditions(grant.conditions).unmet(all, source, nowMs);
  if (unmet === null) return null;
  const { reason, hint } = unmet;
  return { code: 'POSTERN_CONDITION_DENIED', verb: null, object: null, reason, hint, scope: null };
}

function firstDenial(
  classified: readonly Classified[],
  scope: CompiledScope,
  path: SearchPath,
  catalog: RelationCatalog,
  catalogAccess: CatalogAccess,
): Denial | null {
  for (const each of classified) {
    const denial = covers(scope, each, path, catalog, catalogAccess);
    if (denial !== null) return denial;
  }
  return null;
}

function merge(classified: readonly Classified[], of: (each: Classified) => readonly string[]): string[] {
  if (classified.length === 1) return [...of(classified[0] as Classified)];
  return [...new Set(classified.flatMap((each) => of(each)))].sort();
}

/** Whether what a statement means depends on the search path in force. */
export function dependsOnPath({ classified }: Known): boolean {
  return (
    classified.calls.length > 0 ||
    classified.attributes.length > 0 ||
    classified.accesses.some(
      ({ kind, schema }) =>
        schema === null && (kind === 'relation' || kind === 'function' || kind === 'type'),
    )
  );
}
