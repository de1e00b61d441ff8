import { Type } from 'typebox';
import { PosternError } from '../../core/errors.ts';
import { chooseFramework } from '../../evidence/assess/choose.ts';
import { builtInFramework, builtInLibrary, frameworkIds } from '../../evidence/assess/library.ts';
import { readParameterFile } from '../../evidence/assess/parameter-file.ts';
import { parametersShown } from '../../evidence/assess/parameter-view.ts';
import type { Framework } from '../../evidence/assess/types.ts';
import type { ApiDeps } from '../deps.ts';
import { evidenceParams } from '../evidence-params.ts';
import { type Api, actorOf } from '../route.ts';
import { closed, frameworkChoice, RefParams, reason, refText } from '../schemas.ts';

const AssessBody = Type.Object(
  { ...frameworkChoice, principal: Type.Optional(refText), resource: Type.Optional(refText) },
  closed,
);
const ParametersBody = Type.Object(
  {
    text: Type.String({ minLength: 1, maxLength: 24_000 }),
    reason: Type.Optional(reason),
    /** Only to be checked. */
    dryRun: Type.Optional(Type.Boolean()),
  },
  closed,
);

/** Frameworks, the institution's parameters, and assessments of the log as it is. */
export function frameworkRoutes(app: Api, deps: ApiDeps): void {
  const { control } = deps;
  // One at a time: each reads the whole log.
  let last: Promise<unknown> = Promise.resolve();

  app.get('/v1/evidence/frameworks', { config: { operation: 'evidence.frameworks' } }, async () => ({
    items: frameworkIds().map((id) => summaryOf(builtInFramework(id))),
    next: null,
  }));

  app.get(
    '/v1/evidence/frameworks/:ref',
    { config: { operation: 'evidence.frameworks' }, schema: { params: RefParams } },
    async (request) => builtInFramework(request.params.ref),
  );

  app.post(
    '/v1/evidence/assess',
    { config: { operation: 'evidence.assess' }, schema: { body: AssessBody } },
    async (request) => {
      const { framework } = chooseFramework(request.body);
      if (framework === null) throw new PosternError('POSTERN_INVALID', 'Name a framework to assess by.');
      const { params } = await evidenceParams(control, request.body);
      const turn = last.then(async () => {
        await deps.ledger.flush();
        return deps.assessEvidence(params);
      });
      last = turn.catch(() => undefined);
      return turn;
    },
  );

  app.get('/v1/evidence/parameters', { config: { operation: 'evidence.parameters' } }, async () => {
    const current = await control.frameworkParameters.current();
    return { ...shownOf(current), parameters: parametersShown(current?.text ?? null) };
  });

  app.post(
    '/v1/evidence/parameters',
    { config: { operation: 'evidence.parameters.set' }, schema: { body: ParametersBody } },
    async (request) => {
      const { text, reason: why = '', dryRun = false } = request.body;
      readParameterFile(text, 'parameters.yaml', builtInLibrary().parameters);
      const current = dryRun
        ? await control.frameworkParameters.current()
        : await control.frameworkParameters.set(actorOf(request), text, why);
      return { ...shownOf(current), parameters: parametersShown(text) };
    },
  );
}

function shownOf(current: { revision: number; sha256: string; text: string } | null): object {
  const { revision = 0, sha256 = null, text = null } = current ?? {};
  return { revision, sha256, text };
}

function summaryOf({ id, title, version, source, controls }: Framework): object {
  const objectives = controls.flatMap((control) => control.objectives);
  const count = (wanted: string): number => objectives.filter(({ kind }) => kind === wanted).length;
  return {
    id,
    title,
    version,
    source,
    controls: controls.length,
    assertions: count('assertion'),
    reports: count('report'),
    organizational: count('organizational'),
  };
}
