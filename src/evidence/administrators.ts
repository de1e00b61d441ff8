import type { ChangeRecord, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';

/** A role of a person, from when it was given until it was taken. */
export interface AdministratorMember {
  /** The leaf by which it was given. */
  readonly leaf: number;
  /** The leaf by which it was taken; the same as `leaf` while it is held. */
  readonly lastLeaf: number;
  /** Of the person, with the role and the leaf, since a role may be given again. */
  readonly id: string;
  readonly person: Ref;
  readonly email: string | null;
  readonly role: string;
  readonly status: 'held' | 'taken';
  readonly givenAt: string;
  readonly givenBy: Ref;
  readonly givenBecause: string | null;
  readonly takenAt: string | null;
  readonly takenBy: Ref | null;
  readonly takenBecause: string | null;
}

interface Shown {
  readonly id?: unknown;
  readonly name?: unknown;
  readonly email?: unknown;
  readonly roles?: unknown;
  readonly status?: unknown;
  readonly person?: unknown;
  readonly kind?: unknown;
}

/** Folds the change records of people into who had which role from when until when, and who gave and took it. */
export class Administrators {
  readonly #all: AdministratorMember[] = [];
  /** Where in {@link #all} what is held stands, by person and role. */
  readonly #held = new Map<string, Map<string, number>>();
  readonly #means = new Map<string, { readonly person: string; readonly kind: string }>();

  take(leaf: number, record: LeafRecord & ChangeRecord): void {
    const { entity, id } = record.change;
    const after = record.change.after as Shown;
    if (entity === 'authenticator') this.#takeMeans(id, after);
    if (entity !== 'person') return;
    const held = this.#held.get(id) ?? new Map<string, number>();
    this.#held.set(id, held);
    // Who is disabled has no role, whatever is written down of them.
    const roles = after.status === 'active' ? namesOf(after.roles) : [];
    const by = { id: record.actor.id, name: record.actor.name };
    const because = record.reason ?? null;
    for (const [role, at] of held) {
      if (roles.includes(role)) continue;
      const member = this.#all[at] as AdministratorMember;
      const taken = { takenAt: record.time, takenBy: by, takenBecause: because };
      this.#all[at] = { ...member, lastLeaf: leaf, status: 'taken', ...taken };
      held.delete(role);
    }
    for (const role of roles) {
      if (held.has(role)) continue;
      held.set(role, this.#all.length);
      this.#all.push({
        leaf,
        lastLeaf: leaf,
        id: `${id}/${role}/${leaf}`,
        person: { id, name: String(after.name) },
        email: typeof after.email === 'string' ? after.email : null,
        role,
        status: 'held',
        givenAt: record.time,
        givenBy: by,
        givenBecause: because,
        takenAt: null,
        takenBy: null,
        takenBecause: null,
      });
    }
  }

  /** In the order in which roles were given, each with the kinds of what the person signs in with now. */
  *rows(): Generator<AdministratorMember & { readonly signsInBy: readonly string[] }> {
    const by = new Map<string, Set<string>>();
    for (const { person, kind } of this.#means.values()) {
      const kinds = by.get(person) ?? new Set<string>();
      by.set(person, kinds.add(kind));
    }
    for (const member of this.#all) {
      yield { ...member, signsInBy: [...(by.get(member.person.id) ?? [])].sort() };
    }
  }

  #takeMeans(id: string, { person, kind, status }: Shown): void {
    const of = (person as Partial<Ref> | null | undefined)?.id;
    if (status === 'active' && typeof of === 'string')
      this.#means.set(id, { person: of, kind: String(kind) });
    else this.#means.delete(id);
  }
}

function namesOf(value: unknown): string[] {
  const names = Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];
  return [...new Set(names)];
}
