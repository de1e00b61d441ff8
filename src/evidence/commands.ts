import { microsOf } from '../activity/times.ts';
import type { CommandDenied, CommandIntent, CommandOutcome, Ref } from '../core/record.ts';
import type { LeafRecord } from '../ledger/leaf.ts';
import type { CommandRow, Parameters } from './format.ts';
import type { Member, Populations } from './populations.ts';
import type { ReadRecord, Shared } from './record-reader.ts';

/** A command that the log has closed, with the leaf that began it. */
export interface Command {
  readonly row: CommandRow;
  readonly record: LeafRecord;
  /** What the leaf has in common with others. */
  readonly shared: Shared | null;
  /** Whether the package's parameters ask for it. */
  readonly selected: boolean;
}

/** A command that waits for its outcome. */
export interface Pending {
  readonly record: LeafRecord;
  readonly shared: Shared | null;
  readonly leaf: number;
  readonly owner: Ref | null;
  readonly outcome: { readonly leaf: number; readonly record: CommandOutcome } | null;
}

const NOBODY: readonly Ref[] = [];

/** What is told of a leaf that fits nowhere. */
export type OnProblem = (leaf: number, message: string) => void;

/**
 * Pairs intents with outcomes and gives each command its owner and authority. Commands come in the order in which the
 * log closed them (denial or outcome); what was never closed comes at the end, in the order of the intents.
 */
export class Commands {
  readonly #populations: Populations;
  readonly #selected: (row: CommandRow) => boolean;
  readonly #emit: (command: Command) => void;
  readonly #problem: OnProblem;
  readonly #earlier: ((id: string) => Pending | undefined) | null;
  /** Intents that wait for their outcome, or whose grant the log has not named yet. */
  readonly #pending = new Map<string, Pending>();

  constructor(options: {
    readonly populations: Populations;
    readonly parameters: Parameters;
    readonly emit: (command: Command) => void;
    readonly problem: OnProblem;
    /** In a part of a log: an open intent of before. What the part leaves open is for the parts behind it. */
    readonly earlier?: ((id: string) => Pending | undefined) | undefined;
  }) {
    this.#populations = options.populations;
    this.#selected = selection(options.parameters);
    this.#emit = options.emit;
    this.#problem = options.problem;
    this.#earlier = options.earlier ?? null;
  }

  /** Takes one leaf, after the populations have taken it. */
  take(leaf: number, { record, shared }: ReadRecord): void {
    if (record.type === 'command.intent' || record.type === 'command.denied') {
      const owner = record.principal === undefined ? null : this.#populations.ownerOf(record.principal.id);
      const begun: Pending = { record, shared, leaf, owner, outcome: null };
      if (record.type === 'command.denied') this.close(begun);
      else if (this.#pending.has(record.id)) this.#problem(leaf, `A second intent has the id ${record.id}.`);
      else this.#pending.set(record.id, begun);
    } else if (record.type === 'command.outcome') {
      this.#takeOutcome(leaf, record as LeafRecord & CommandOutcome);
    }
  }

  get open(): ReadonlyMap<string, Pending> {
    return this.#pending;
  }

  /** Takes an intent that was read elsewhere. Its id is no other's that waits. */
  hold(pending: Pending): void {
    this.#pending.set(pending.record.id, pending);
  }

  /** Gives out what is still open. */
  end(): void {
    for (const pending of inOrder(this.#pending)) this.close(pending);
    this.#pending.clear();
  }

  #takeOutcome(leaf: number, record: LeafRecord & CommandOutcome): void {
    const pending = this.#pending.get(record.intent) ?? this.#earlier?.(record.intent);
    if (pending === undefined || pending.outcome !== null) {
      this.#problem(leaf, `An outcome names the intent ${record.intent}, which is not open before it.`);
      return;
    }
    if (pending.record.principal?.id !== record.principal?.id || pending.record.session !== record.session) {
      this.#problem(leaf, 'An outcome is of another principal or session than its intent.');
    }
    const closed = { ...pending, outcome: { leaf, record } };
    if (this.#populations.grant(String(pending.record.grant)) === undefined) {
      // Where only a part is looked at, whether the log names it later is not known.
      if (this.#earlier !== null) this.#problem(leaf, `The grant of ${record.intent} is not known.`);
      this.#pending.set(record.intent, closed);
    } else {
      this.#pending.delete(record.intent);
      this.close(closed);
    }
  }

  /** Gives out a command. */
  close(pending: Pending): void {
    const row = this.#row(pending);
    const { record, shared } = pending;
    this.#emit({ row, record, shared, selected: this.#selected(row) });
  }

  #row({ record, leaf, owner, outcome }: Pending): CommandRow {
    const command = record as unknown as Partial<CommandIntent | CommandDenied>;
    const grant = typeof record.grant === 'string' ? record.grant : null;
    const { approvers, ticket, justification } = grantedBy(
      grant === null ? undefined : this.#populations.grant(grant),
    );
    const decision = command.decision;
    const result = outcome?.record;
    return {
      leaf,
      outcomeLeaf: outcome?.leaf ?? null,
      id: record.id,
      time: record.time,
      decision: record.type === 'command.intent' ? 'allow' : 'deny',
      principal: record.principal ?? null,
      owner:
        owner ?? (record.principal === undefined ? null : this.#populations.ownerOf(record.principal.id)),
      session: String(record.session),
      resource: command.resource ?? null,
      grant,
      approvers,
      ticket,
      justification,
      verbs: command.verbs ?? [],
      objects: command.objects ?? [],
      fingerprint: command.fingerprint ?? null,
      why:
        decision === undefined
          ? ''
          : decision.effect === 'allow'
            ? decision.rule
            : `${decision.code}: ${decision.reason}`,
      status: result?.status ?? null,
      code: result?.code ?? null,
      rows: result?.rows ?? null,
      bytes: result?.bytes ?? null,
      durationUs: result?.durationUs ?? null,
    };
  }
}

/** On whose authority a grant is. */
export function grantedBy(
  grant: Member | undefined,
): Pick<CommandRow, 'approvers' | 'ticket' | 'justification'> {
  const { approvers, ticket, justification } = (grant?.state.authority ?? {}) as Record<string, unknown>;
  return {
    approvers: (approvers ?? NOBODY) as readonly Ref[],
    ticket: (ticket ?? null) as string | null,
    justification: (justification ?? null) as string | null,
  };
}

/** Commands in the order in which the log has them. */
export function inOrder(open: ReadonlyMap<string, Pending>): Pending[] {
  return [...open.values()].sort((a, b) => a.leaf - b.leaf);
}

function selection({ principal, resource, since, until }: Parameters): (row: CommandRow) => boolean {
  const from = since === null ? Number.NEGATIVE_INFINITY : microsOf(since);
  const to = until === null ? Number.POSITIVE_INFINITY : microsOf(until);
  const always = since === null && until === null;
  return (row) => {
    if (principal !== null && row.principal?.id !== principal.id) return false;
    if (resource !== null && row.resource?.id !== resource.id) return false;
    if (always) return true;
    const time = microsOf(row.time);
    return time >= from && time < to;
  };
}
