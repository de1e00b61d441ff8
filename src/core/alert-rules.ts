/**
 * The rules by which what principals do becomes alerts (docs/alerts.md): what each looks for, what can be tuned, and within
 * which bounds. Settings are recorded, and whoever follows the log reads them from there.
 */
import { PosternError } from './errors.ts';

interface Bounds {
  readonly standard: number;
  readonly least: number;
  readonly most: number;
}

interface RuleDescription {
  /** What an alert by it says, behind the name of the principal. */
  readonly says: string;
  readonly parameters: Readonly<Record<string, Bounds>>;
}

const WINDOW: Bounds = { standard: 30, least: 1, most: 400 };
const LEARNING: Bounds = { standard: 7, least: 0, most: 90 };
const BASELINE = { windowDays: WINDOW, learningDays: LEARNING };

export const ALERT_RULES = {
  first_verb: { says: 'used verbs for the first time', parameters: BASELINE },
  first_object: { says: 'used objects for the first time', parameters: BASELINE },
  first_network: { says: 'came from networks for the first time', parameters: BASELINE },
  first_hour: { says: 'was used at hours (UTC) for the first time', parameters: BASELINE },
  first_client: { says: 'was used by clients for the first time', parameters: BASELINE },
  human_client: { says: 'was used with tools that people use', parameters: {} },
  human_pace: {
    says: 'was used at the pace of somebody who types and errs',
    parameters: {
      statements: { standard: 12, least: 5, most: 1000 },
      errors: { standard: 3, least: 1, most: 100 },
    },
  },
  concurrent: {
    says: 'was used from two networks at the same time',
    parameters: { minutes: { standard: 10, least: 1, most: 1440 }, ...BASELINE },
  },
  denials: {
    says: 'was refused many times',
    parameters: {
      count: { standard: 10, least: 2, most: 100_000 },
      minutes: { standard: 5, least: 1, most: 1440 },
    },
  },
  failed_logins: {
    says: 'was named by somebody who did not prove to be it, many times',
    parameters: {
      count: { standard: 20, least: 2, most: 100_000 },
      minutes: { standard: 10, least: 1, most: 1440 },
    },
  },
  cloned_key: { says: 'has a key that is in two hands', parameters: {} },
  flood: {
    says: 'gave more alerts in an hour than are raised one by one',
    parameters: { perHour: { standard: 20, least: 1, most: 1000 } },
  },
} as const satisfies Readonly<Record<string, RuleDescription>>;

export type AlertRuleName = keyof typeof ALERT_RULES;
export const ALERT_RULE_NAMES = Object.keys(ALERT_RULES) as readonly AlertRuleName[];

/** These say that an attack was seen, or hold the others back: they stay on. */
const ALWAYS_ON: ReadonlySet<AlertRuleName> = new Set(['cloned_key', 'flood']);

export type Parameters = Readonly<Record<string, number>>;

/** How a rule is set. */
export interface AlertRuleSetting {
  readonly enabled: boolean;
  readonly parameters: Parameters;
}

export type AlertRuleSettings = Readonly<Record<AlertRuleName, AlertRuleSetting>>;

/** Something that was looked at and is to be expected: no alert is raised by it any more. */
export interface Expected {
  readonly rule: AlertRuleName;
  /** Id of the principal. */
  readonly principal: string;
  readonly value: string;
}

/** How the rules stand: all of them while nobody has said anything. */
export const STANDARD_SETTINGS: AlertRuleSettings = Object.fromEntries(
  Object.entries(ALERT_RULES).map(([name, { parameters }]) => [
    name,
    {
      enabled: true,
      parameters: Object.fromEntries(
        Object.entries(parameters as RuleDescription['parameters']).map(([key, { standard }]) => [
          key,
          standard,
        ]),
      ),
    },
  ]),
) as unknown as AlertRuleSettings;

/**
 * A rule, set anew.
 *
 * @throws PosternError POSTERN_INVALID for a rule that stays on, a parameter that it does not have, or one out of its bounds
 */
export function changedSetting(
  rule: AlertRuleName,
  before: AlertRuleSetting,
  change: { readonly enabled?: boolean | undefined; readonly parameters?: Parameters | undefined },
): AlertRuleSetting {
  if (change.enabled === false && ALWAYS_ON.has(rule)) {
    throw new PosternError('POSTERN_INVALID', `The rule ${rule} stays on.`);
  }
  const known: RuleDescription['parameters'] = ALERT_RULES[rule].parameters;
  for (const [name, value] of Object.entries(change.parameters ?? {})) {
    const bounds = Object.hasOwn(known, name) ? known[name] : undefined;
    if (bounds === undefined) {
      const names = Object.keys(known).join(', ');
      throw new PosternError(
        'POSTERN_INVALID',
        `The rule ${rule} has no parameter ${JSON.stringify(name.slice(0, 40))}.`,
        names === '' ? 'It has none.' : `It has: ${names}.`,
      );
    }
    if (!Number.isInteger(value) || value < bounds.least || value > bounds.most) {
      throw new PosternError(
        'POSTERN_INVALID',
        `${name} of ${rule} is a whole number from ${bounds.least} to ${bounds.most}.`,
      );
    }
  }
  return {
    enabled: change.enabled ?? before.enabled,
    parameters: { ...before.parameters, ...change.parameters },
  };
}

/** An alert in words, without whose it is. */
export function alertWords(rule: AlertRuleName, values: readonly string[], count: number): string {
  const named = values.slice(0, 5).join(', ');
  const more = values.length > 5 ? ` and ${values.length - 5} more` : '';
  const often = count > values.length ? ` (found ${count} times)` : '';
  return `${ALERT_RULES[rule].says}: ${named}${more}${often}`;
}
