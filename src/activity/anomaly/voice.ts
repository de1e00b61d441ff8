import type { Finding } from '../../core/alert-finding.ts';
import {
  type ALERT_RULES,
  type AlertRuleName,
  type AlertRuleSettings,
  type Expected,
  STANDARD_SETTINGS,
} from '../../core/alert-rules.ts';
import type { Ref } from '../../core/record.ts';
import type { Profile } from './profile.ts';
import { sayingOf } from './sayings.ts';

const VALUE_MAX = 200;

/** How the rules were set by the leaves so far. */
export interface InForce {
  readonly rules: AlertRuleSettings;
  readonly expected: readonly Expected[];
}

/** Where in the log something stands. */
export interface At {
  readonly leaf: number;
  /** Microseconds since the Unix epoch. */
  readonly time: number;
}

type ParametersOf<R extends AlertRuleName> = Readonly<
  Record<keyof (typeof ALERT_RULES)[R]['parameters'], number>
>;

/** Says what is found, by the rules as they are set. */
export class Voice {
  /** Said since this was emptied. */
  found: Finding[] = [];
  #inForce: InForce | null = null;
  #expected = new Set<string>();

  /** Null before the rules were put in force: until then everything is learnt, and nothing said. */
  get inForce(): InForce | null {
    return this.#inForce;
  }

  set(inForce: InForce | null): void {
    this.#inForce = inForce;
    this.#expected = new Set(
      inForce?.expected.map(({ rule, principal, value }) => `${rule} ${principal} ${value}`),
    );
  }

  parameters<R extends AlertRuleName>(rule: R): ParametersOf<R> {
    return (this.#inForce?.rules ?? STANDARD_SETTINGS)[rule].parameters as ParametersOf<R>;
  }

  /** @param values what it was; those that are to be expected are left out */
  say(
    profile: Profile,
    at: At,
    rule: AlertRuleName,
    resource: Ref | null,
    values: readonly string[],
    leaves: readonly number[],
  ): void {
    if (this.#inForce === null || !this.#inForce.rules[rule].enabled) return;
    const told = values
      .map((value) => value.slice(0, VALUE_MAX))
      .filter((value) => !this.#expected.has(`${rule} ${profile.id} ${value}`));
    if (told.length === 0) return;
    const subject = resource === null ? rule : `${rule} on ${resource.name}`;
    // That a key is in two hands is said whatever else there is.
    const most = rule === 'cloned_key' ? null : this.parameters('flood').perHour;
    const saying = sayingOf(profile, subject, { time: at.time, values: told, leaves }, most);
    if (saying.kind === 'wait' || saying.said === null) return;
    const beyond = saying.kind === 'beyond';
    this.found.push({
      ...at,
      ...saying.said,
      rule: beyond ? 'flood' : rule,
      parameters: this.parameters(beyond ? 'flood' : rule),
      principal: { id: profile.id, name: profile.name },
      resource: beyond ? null : resource,
    });
  }
}
