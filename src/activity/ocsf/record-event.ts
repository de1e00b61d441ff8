import type { CommandIntent, CommandOutcome, Delegator, Ref } from '../../core/record.ts';
import type { LeafRecord } from '../../ledger/leaf.ts';
import { type CommandFacts, commandEvent } from './command-event.ts';
import { OcsfContext } from './context.ts';
import { leafEvent } from './leaf-event.ts';
import type { OcsfEvent } from './shapes.ts';

/** Intents that are remembered until their outcome comes. */
const MOST_OPEN = 20_000;

/**
 * An event for each leaf, as the leaves come: of a command one when it is let through or refused, and one when it is answered, which
 * says again what it was. Statements are in none of them: what has left the house cannot be erased.
 */
export class RecordEvents {
  readonly #context = new OcsfContext({ forgets: true });
  readonly #open = new Map<string, CommandFacts>();

  /** Takes a leaf that was told before, for what later ones refer to. */
  remember(record: LeafRecord): void {
    this.#context.take(record);
    if (record.type === 'command.intent') this.#hold(record.id, this.#begun(record));
    if (record.type === 'command.outcome') this.#open.delete(String(record.intent));
    this.#context.done(record);
  }

  /** The event of a leaf. The leaves come in their order. */
  event(record: LeafRecord): OcsfEvent {
    this.#context.take(record);
    const event = this.#event(record);
    this.#context.done(record);
    return event;
  }

  #event(record: LeafRecord): OcsfEvent {
    if (record.type === 'command.outcome') return commandEvent(this.#answered(record), this.#context);
    if (record.type !== 'command.intent' && record.type !== 'command.denied')
      return leafEvent(record, this.#context);
    const facts = this.#begun(record);
    if (record.type === 'command.intent') this.#hold(record.id, facts);
    return commandEvent(facts, this.#context);
  }

  #hold(id: string, facts: CommandFacts): void {
    this.#open.set(id, facts);
    if (this.#open.size <= MOST_OPEN) return;
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
  }

  #begun(record: LeafRecord): CommandFacts {
    const command = record as LeafRecord & Partial<Omit<CommandIntent, 'decision'>>;
    const { effect, rule, code, reason } = (record.decision ?? {}) as Readonly<
      Record<string, string | undefined>
    >;
    return {
      ...this.#common(record),
      protocol: command.protocol ?? '',
      grant: command.grant ?? null,
      verbs: command.verbs ?? [],
      objects: command.objects ?? [],
      fingerprint: command.fingerprint ?? null,
      refused: effect === 'deny' ? { code: code ?? '', reason: reason ?? '' } : null,
      rule: rule ?? null,
      outcome: null,
    };
  }

  /** What was let through when nobody remembers it: then the event says what the outcome says alone. */
  #answered(record: LeafRecord): CommandFacts {
    const outcome = record as LeafRecord & CommandOutcome;
    const { status, code, rows, bytes, durationUs, masked = [], leaf } = outcome;
    const known = this.#open.get(outcome.intent);
    this.#open.delete(outcome.intent);
    const unknown = {
      protocol: 'postgres',
      grant: null,
      verbs: [],
      objects: [],
      fingerprint: null,
      refused: null,
      rule: null,
    };
    return {
      ...(known ?? unknown),
      ...this.#common(record),
      intent: outcome.intent,
      outcome: { leaf, status, code, rows, bytes, durationUs, masked },
    };
  }

  #common(
    record: LeafRecord,
  ): Omit<
    CommandFacts,
    'protocol' | 'grant' | 'verbs' | 'objects' | 'fingerprint' | 'refused' | 'rule' | 'outcome'
  > {
    const { id, time, leaf, type, principal } = record;
    return {
      record: { id, time, leaf, type },
      principal: principal ?? null,
      owner: (principal && this.#context.owner(principal.id)) ?? null,
      session: String(record.session),
      resource: (record.resource as Ref | undefined) ?? null,
      delegation: (record.delegation ?? []) as readonly Delegator[],
      statement: null,
    };
  }
}
