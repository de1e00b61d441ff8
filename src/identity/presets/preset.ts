/**
 * What a platform puts into its tokens, as tables: which claims identify a workload for good, which narrow it down, which are worth
 * keeping in the record. A preset asks for ids that are never given again, not for names, and for the tenant where an issuer
 * serves several.
 */

export interface PresetClaim {
  /** The flag of the command line, without dashes. */
  readonly flag: string;
  /** By name or JSON Pointer (`src/core/claims.ts`). */
  readonly claim: string;
  readonly about: string;
  /** Whether a binding is refused without it. */
  readonly required?: true;
  /** Whether the issuer serves several tenants, and this says which. */
  readonly tenant?: true;
  /** A list, of which the binding names one value. */
  readonly list?: true;
  /** Form of the value. */
  readonly form: Form;
}

/** Forms of values, by what they are called in a message. */
export const FORMS = {
  'a number': /^\d{1,30}$/,
  'a UUID': /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  'a text': /^[^*]{1,500}$/,
  'true or false': /^(true|false)$/,
  'a whole Git ref, such as refs/heads/main': /^refs\/[^*]{1,400}$/,
  'a 12-digit account': /^\d{12}$/,
  'an ARN': /^arn:[^*]{1,400}$/,
  'a SHA-1': /^[0-9a-f]{40}$/,
} as const;
type Form = keyof typeof FORMS;

export interface Preset {
  readonly name: string;
  readonly about: string;
  readonly issuer: {
    /** Used where none is given; `{claim}` stands for the value of a claim. */
    readonly usual: string | null;
    /** What others must look like. */
    readonly like: RegExp;
    /** What tells tokens of this platform, whoever runs it. */
    readonly known: RegExp | null;
  };
  readonly claims: readonly PresetClaim[];
  /** What every binding asks for besides. */
  readonly always: Readonly<Record<string, string>>;
  /** What goes into the record of a session and a credential besides the claims that are bound. */
  readonly logged: readonly string[];
  /** Whether the platform hands the same token out again until it ends, so that it may be exchanged again. */
  readonly reuse: boolean;
  /** Names for which there is an id: claim, and the id that says it for good. */
  readonly names: Readonly<Record<string, string>>;
  /** Audiences of tokens that others receive too. */
  readonly sharedAudiences: RegExp | null;
}
