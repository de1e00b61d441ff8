import type { DetectorName, MaskMatch } from '../core/masks.ts';

/** What data a class is about: how its columns are usually called, and what its values look like anywhere. */
interface DataClass {
  readonly summary: string;
  readonly names: readonly string[];
  readonly detectors: readonly DetectorName[];
}

/**
 * Ready-made classes. A rule is made from a class as it is then: what is in the rule stands in its record, and a later
 * version of a class changes no rule.
 */
export const CLASSES = {
  contact: {
    summary: 'how somebody can be reached',
    names: [
      ...[
        '*email*',
        '*phone*',
        '*mobile*',
        '*telefon*',
        '*fax*',
        '*address',
        'address*',
        '*street*',
        '*strasse*',
      ],
      ...['postal_code', 'postcode', '*zip', '*zip_code*', 'plz'],
    ],
    detectors: ['email', 'phone'],
  },
  name: {
    summary: 'who somebody is',
    names: [
      ...['*first_name*', '*last_name*', '*given_name*', '*family_name*', '*middle_name*', '*maiden_name*'],
      ...['*full_name*', '*surname*', '*vorname*', '*nachname*', '*birth*', 'dob'],
    ],
    detectors: [],
  },
  financial: {
    summary: 'accounts, cards and pay',
    names: [
      ...['*iban*', '*card_number*', '*card_no', '*card_num', 'pan', 'card_pan', '*cvv*', '*cvc*'],
      ...['*account_number*', '*account_no', '*sort_code*', '*routing_number*', '*salary*', '*salaries*'],
    ],
    detectors: ['card', 'iban'],
  },
  government_id: {
    summary: 'numbers that a state gave',
    names: [
      ...['*ssn*', '*social_security*', '*tax_id*', '*taxpayer*', 'tin', '*steuer_id*', '*steuernummer*'],
      ...['nino', '*national_insurance*', '*national_id*', '*passport*', '*id_card*', '*driv*licen*'],
    ],
    detectors: ['ssn', 'itin', 'nino', 'steuer_id'],
  },
  secret: {
    summary: 'what opens doors',
    names: [
      ...[
        '*password*',
        '*passwd*',
        'pwd',
        '*secret*',
        '*api_key*',
        '*access_key*',
        '*private_key*',
        '*token*',
      ],
      ...['*credential*', '*passphrase*'],
    ],
    detectors: [...(['aws_key', 'github_token', 'api_key', 'jwt', 'private_key', 'high_entropy'] as const)],
  },
  health: {
    summary: 'body and illness',
    names: [
      ...['*diagnos*', 'icd*', '*medication*', '*prescription*', '*allerg*', '*blood_type*', '*blood_group*'],
      ...['*treatment*', '*disabilit*', '*medical*'],
    ],
    detectors: [],
  },
} as const satisfies Record<string, DataClass>;

export type ClassName = keyof typeof CLASSES;
export const CLASS_NAMES = Object.keys(CLASSES) as readonly ClassName[];

/** A match with what the classes stand for, without repeats. */
export function withClasses(match: MaskMatch, classes: readonly ClassName[]): MaskMatch {
  const of: readonly DataClass[] = classes.map((name) => CLASSES[name]);
  return {
    columns: [...new Set(match.columns)],
    names: [...new Set([...of.flatMap(({ names }) => names), ...match.names])],
    detectors: [...new Set([...of.flatMap(({ detectors }) => detectors), ...match.detectors])],
  };
}
