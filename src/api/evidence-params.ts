import type { Static } from 'typebox';
import type { Control } from '../access/control.ts';
import type { Ref } from '../core/record.ts';
import { chooseFramework } from '../evidence/assess/choose.ts';
import type { EvidenceParams } from './deps.ts';
import type { EvidenceBody } from './schemas.ts';

/** What evidence was asked for, resolved. */
export interface AskedEvidence {
  readonly params: EvidenceParams;
  /** As the log says it: the same, without texts. */
  readonly recorded: object;
  readonly principal: Ref | undefined;
}

/** @throws PosternError POSTERN_NOT_FOUND, POSTERN_INVALID */
export async function evidenceParams(
  control: Control,
  body: Static<typeof EvidenceBody>,
): Promise<AskedEvidence> {
  const { principal: principalRef, resource: resourceRef, since, until, statements, parts } = body;
  const principal = principalRef === undefined ? undefined : await control.principals.get(principalRef);
  const resource = resourceRef === undefined ? undefined : await control.resources.get(resourceRef);
  const { framework, period } = chooseFramework(body);
  const recorded = {
    ...(principal && { principal: principal.id }),
    ...(resource && { resource: resource.id }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(statements !== undefined && { statements }),
    ...(parts !== undefined && { parts }),
    ...(period !== null && { period }),
  };
  return {
    params: { ...recorded, ...(framework !== null && { framework }) },
    recorded: { ...recorded, ...(framework !== null && { framework: framework.ref }) },
    principal,
  };
}
