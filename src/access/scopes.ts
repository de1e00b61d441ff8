import { PosternError } from '../core/errors.ts';
import { formatScope, parseScope } from '../protocols/postgres/scope.ts';

/**
 * Checks a scope text in the grammar of the resource's protocol and gives its canonical form, which is what a
 * grant keeps: what the approver sees, the log says and the gateway compiles is one text.
 *
 * @throws PosternError POSTERN_INVALID with the position and the reason
 */
export type ValidateScope = (protocol: string, text: string) => string;

export const validateScope: ValidateScope = (protocol, text) => {
  if (protocol === 'postgres') return formatScope(parseScope(text));
  throw new PosternError('POSTERN_UNSUPPORTED', `There is no scope grammar for the protocol ${protocol}.`);
};
