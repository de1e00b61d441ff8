import { Type } from 'typebox';
import { DECLARED_KINDS } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { type Outcome, REHEARSABLE, type RehearsalStep, rehearseStep } from '../rehearse.ts';
import { type Api, actorOf, answers } from '../route.ts';
import { closed, idText, listOf, orNull, refText } from '../schemas.ts';

const Text = Type.String();
/** Steps of one rehearsal. */
const STEPS_MAX = 1000;

const Step = Type.Object(
  {
    operation: Type.Unsafe<keyof typeof REHEARSABLE>({ type: 'string', enum: Object.keys(REHEARSABLE) }),
    ref: Type.Optional(refText),
    body: Type.Record(Text, Type.Unknown()),
  },
  closed,
);
const RehearsalBody = Type.Object({ steps: Type.Array(Step, { maxItems: STEPS_MAX }) }, closed);
const Rehearsal = Type.Object({
  outcomes: Type.Array(orNull(Type.Object({ code: Text, message: Text, hint: Type.Optional(Text) }))),
});

const SetParams = Type.Object({ set: Type.String({ minLength: 1, maxLength: 63 }) });
const Declaration = Type.Object({
  id: Text,
  set: Text,
  kind: Text,
  object: Type.Object({ id: Text, name: Text }),
  status: Text,
  createdAt: Text,
});
const declared = Type.Array(
  Type.Object(
    {
      kind: Type.Unsafe<(typeof DECLARED_KINDS)[number]>({ type: 'string', enum: [...DECLARED_KINDS] }),
      id: idText,
    },
    closed,
  ),
  { maxItems: STEPS_MAX },
);
const SetBody = Type.Object({ add: declared, remove: declared }, closed);

/** Trying changes out before the first of them is made, and what was made for which set of files: for `postern apply`. */
export function rehearsalRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;
  let last: Promise<unknown> = Promise.resolve();

  app.post(
    '/v1/rehearsals',
    {
      config: { operation: 'rehearse' },
      schema: { body: RehearsalBody, response: answers(200, Rehearsal) },
    },
    async (request) => {
      const actor = actorOf(request);
      const steps: readonly RehearsalStep[] = request.body.steps;
      // One at a time: each holds a copy of the state.
      const turn = last.then(() =>
        control.rehearse(async (copy) => {
          const outcomes: Outcome[] = [];
          for (const step of steps) outcomes.push(await rehearseStep(copy, actor, step));
          return { outcomes };
        }),
      );
      last = turn.catch(() => undefined);
      return turn;
    },
  );

  app.get(
    '/v1/sets/:set',
    {
      config: { operation: 'set.read' },
      schema: { params: SetParams, response: answers(200, listOf(Declaration)) },
    },
    async (request) => ({ items: await control.declarations.list(request.params.set), next: null }),
  );

  app.post(
    '/v1/sets/:set',
    {
      config: { operation: 'set.change' },
      schema: { params: SetParams, body: SetBody, response: answers(200, listOf(Declaration)) },
    },
    async (request) => {
      const items = await control.declarations.change(actorOf(request), request.params.set, request.body);
      return { items, next: null };
    },
  );
}
