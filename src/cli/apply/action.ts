/** What `postern apply` does, one change at a time. */
import type { RehearsalStep } from '../../api/rehearse.ts';
import type { Declaration } from '../../store/entities.ts';
import { type ApiClient, path } from '../support/client.ts';
import type { Manifest } from './manifests.ts';

export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface Action {
  readonly verb: 'create' | 'update' | 'end';
  /** As in `kind:`, or `Binding`. */
  readonly kind: string;
  readonly name: string;
  /** Null for what no file declares any more. */
  readonly manifest: Manifest | null;
  readonly changes: readonly FieldChange[];
  readonly step: RehearsalStep;
  /** What the set has, or no longer has, after it; of a new thing the id comes with the answer. */
  readonly declares: { readonly kind: Declaration['kind']; readonly id: string | null };
}

const ROUTES: Readonly<Record<RehearsalStep['operation'], (ref: string) => string>> = {
  'principal.create': () => '/v1/principals',
  'principal.update': (ref) => path`/v1/principals/${ref}/update`,
  'principal.retire': (ref) => path`/v1/principals/${ref}/retire`,
  'binding.create': (ref) => path`/v1/principals/${ref}/bindings`,
  'binding.spiffe': (ref) => path`/v1/principals/${ref}/bindings/spiffe`,
  'binding.certificate': (ref) => path`/v1/principals/${ref}/bindings/certificate`,
  'binding.remove': (ref) => path`/v1/bindings/${ref}/remove`,
  'resource.create': () => '/v1/resources',
  'resource.update': (ref) => path`/v1/resources/${ref}/update`,
  'resource.retire': (ref) => path`/v1/resources/${ref}/retire`,
  'policy.put': (ref) => path`/v1/policies/${ref}`,
  'policy.retire': (ref) => path`/v1/policies/${ref}/retire`,
  'mask.create': () => '/v1/masks',
  'mask.update': (ref) => path`/v1/masks/${ref}/update`,
  'mask.retire': (ref) => path`/v1/masks/${ref}/retire`,
};

/** Makes one change. @returns the id of what it was made to */
export async function perform(api: ApiClient, { operation, ref = '', body }: RehearsalStep): Promise<string> {
  return (await api.post<{ id: string }>(ROUTES[operation](ref), body)).id;
}

/** Fields in which what is wanted differs from what is. */
export function differences(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): FieldChange[] {
  return Object.keys(after)
    .filter((field) => canonical(before[field]) !== canonical(after[field]))
    .map((field) => ({ field, before: before[field] ?? null, after: after[field] ?? null }));
}

/** As JSON with the names in order, so that equal things read alike; what is absent is null. */
export function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
