import type { MaskRuleView } from '../core/views.ts';
import { compileMasks, type MaskPlan } from '../masking/rules.ts';

/** The mask plans of one session, by grant: compiled once, until the rules change. */
export class MaskPlans {
  readonly #key: Uint8Array;
  readonly #plans = new Map<string, { readonly rules: readonly MaskRuleView[]; readonly plan: MaskPlan }>();

  /** @param key the installation's mask key */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The plan for what is done under a grant; null where no rule applies. @param rules as `Directory.masksOf` gives them */
  plan(rules: readonly MaskRuleView[], grantId: string): MaskPlan | null {
    if (rules.length === 0) return null;
    const known = this.#plans.get(grantId);
    if (known?.rules === rules) return known.plan.any ? known.plan : null;
    const own = rules.filter((rule) => rule.grantId === null || rule.grantId === grantId);
    const plan = compileMasks(own, this.#key);
    this.#plans.set(grantId, { rules, plan });
    return plan.any ? plan : null;
  }
}
