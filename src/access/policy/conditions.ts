/** What was asked for together with what a rule puts on it: each condition at its stricter. Pure. */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { AddressBlocks } from '../../core/address-blocks.ts';
import { checkConditions, type GrantConditions } from '../../core/conditions.ts';
import { PosternError } from '../../core/errors.ts';

/**
 * @param asked checked
 * @param imposed checked
 * @throws PosternError POSTERN_INVALID where nothing is left, or hours were asked for that differ from the rule's
 */
export function bothConditions(asked: GrantConditions, imposed: GrantConditions): GrantConditions {
  const less = (name: 'maxRows' | 'maxRowBytes' | 'statementTimeoutMs' | 'idleTimeoutMs') => {
    const values = [asked[name], imposed[name]].filter((value) => value !== undefined);
    return values.length === 0 ? {} : { [name]: Math.min(...values) };
  };
  return checkConditions({
    ...less('maxRows'),
    ...less('maxRowBytes'),
    ...less('statementTimeoutMs'),
    ...less('idleTimeoutMs'),
    requireWhere: asked.requireWhere === true || imposed.requireWhere === true,
    noDdl: asked.noDdl === true || imposed.noDdl === true,
    ...one(asked, imposed, 'fingerprints', (mine, theirs) => mine.filter((each) => theirs.includes(each))),
    ...one(asked, imposed, 'sources', (mine, theirs) => mine.filter((each) => lies(each, theirs))),
    ...one(asked, imposed, 'hours', (mine, theirs) => (isDeepStrictEqual(mine, theirs) ? mine : [])),
  });
}

function one<K extends 'fingerprints' | 'sources' | 'hours'>(
  asked: GrantConditions,
  imposed: GrantConditions,
  name: K,
  both: (
    mine: NonNullable<GrantConditions[K]>,
    theirs: NonNullable<GrantConditions[K]>,
  ) => NonNullable<GrantConditions[K]>,
): GrantConditions {
  const mine = asked[name];
  const theirs = imposed[name];
  if (mine === undefined || theirs === undefined) {
    const either = mine ?? theirs;
    return either === undefined ? {} : { [name]: either };
  }
  const left = both(mine, theirs);
  if (left.length > 0) return { [name]: left };
  throw new PosternError(
    'POSTERN_INVALID',
    `The rule of the policy has ${name} of its own, in which what was asked for does not lie.`,
    `Ask without ${name}: those of the rule are put on the grant.`,
  );
}

/** Whether a block of addresses lies within one of the others. */
function lies(block: string, others: readonly string[]): boolean {
  const [address = '', bits = ''] = block.split('/');
  return others.some((other) => {
    const [base = '', length = ''] = other.split('/');
    const fits = isIP(base) === isIP(address) && Number(length) <= Number(bits);
    return fits && new AddressBlocks([other]).has(address);
  });
}
