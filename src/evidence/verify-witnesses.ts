import { type Checkpoint, parseCheckpoint } from '../ledger/checkpoint.ts';
import { splitNote } from '../ledger/note.ts';
import { checkPolicy, type Policy, type PolicyCosignature, parsePolicy } from '../ledger/policy.ts';
import type { Check } from './findings.ts';
import { FILES } from './format.ts';
import { readText, type VerifyHost } from './package-files.ts';

/** Who else has seen this log, by a policy that names the witnesses. */
export interface WitnessReport {
  /** `given`: by the caller. `package`: out of the package, so it says whom the operator chose, not whom to trust. */
  readonly policy: 'given' | 'package';
  /** Whether the checkpoint of the package meets the policy. */
  readonly met: boolean;
  readonly cosigned: readonly PolicyCosignature[];
  readonly absent: readonly string[];
  /** An earlier checkpoint in the package that meets the policy, where its own does not: leaves that it covers. */
  readonly earlier: number | null;
}

/**
 * Says which witnesses cosigned the checkpoint. A policy that the caller gave must be met; that of the package is reported.
 * Null where there is none.
 *
 * @throws PosternError POSTERN_INVALID where the given policy is none
 */
export async function checkWitnesses(
  host: VerifyHost,
  checkpoint: Checkpoint,
  given: string | undefined,
  check: Check,
): Promise<WitnessReport | null> {
  const policy = given === undefined ? packagePolicy(host, check) : parsePolicy(given);
  if (policy === null) {
    check.says('no policy names any');
    return null;
  }
  const note = readText(host.files, FILES.checkpoint, 65_536) ?? '';
  try {
    const { met, log, cosigned, absent } = await host.settled(() => checkPolicy(policy, note));
    check.looked(cosigned.length);
    const earlier = met ? null : await earlierMet(host, policy);
    const names = cosigned.map(({ witness }) => witness).join(', ');
    check.says(`${names === '' ? 'none' : names}; the quorum is ${met ? 'met' : 'NOT met'}`);
    if (!met && given !== undefined) {
      const until =
        earlier === null ? '' : ` It is met for the first ${earlier} of ${checkpoint.size} leaves.`;
      const why =
        log === false ? 'the log is not one of the policy' : `no cosignature of ${absent.join(', ')}`;
      check.problem(FILES.checkpoint, `The policy that you gave is not met: ${why}.${until}`);
    }
    return { policy: given === undefined ? 'package' : 'given', met, cosigned, absent, earlier };
  } catch (error) {
    check.problem(FILES.checkpoint, (error as Error).message);
    return null;
  }
}

function packagePolicy({ files }: VerifyHost, check: Check): Policy | null {
  const text = readText(files, FILES.policy, 1 << 18);
  if (text === null) return null;
  try {
    return parsePolicy(text);
  } catch (error) {
    check.problem(FILES.policy, (error as Error).message);
    return null;
  }
}

/** The largest of the earlier checkpoints that meets the policy. That the log continues them is another check. */
async function earlierMet({ files, settled }: VerifyHost, policy: Policy): Promise<number | null> {
  let best: number | null = null;
  for (const path of files.list().files) {
    if (!/^consistency\/\d+\.checkpoint$/.test(path)) continue;
    const note = readText(files, path, 65_536) ?? '';
    try {
      const { met } = await settled(() => checkPolicy(policy, note));
      if (met) best = Math.max(best ?? 0, parseCheckpoint(splitNote(note).text).size);
    } catch {
      // What does not open is named by the check of the earlier checkpoints.
    }
  }
  return best;
}
