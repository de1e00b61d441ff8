import type { FastifyReply, FastifyRequest } from 'fastify';
import { PosternError } from '../../core/errors.ts';
import type { Directory } from '../../store/entities.ts';
import type { ApiDeps } from '../deps.ts';
import { httpStatus } from '../errors.ts';
import type { Api } from '../route.ts';
import { providerConfig, resourceTypes, schemas } from '../scim/discovery.ts';
import { ScimError, scimErrorBody } from '../scim/errors.ts';
import { meets, parseFilter } from '../scim/filter.ts';
import { patched } from '../scim/patch.ts';
import { groupOf, groupResource, type Resource, userOf, userResource } from '../scim/resources.ts';

const TYPE = 'application/scim+json; charset=utf-8';
const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
const COUNT_DEFAULT = 100;
const COUNT_MAX = 200;
const FAILURES = 30;
const MINUTE = 60_000;

type Body = Record<string, unknown>;
type Id = { Params: { id: string } };
const config = { operation: 'public', rateLimit: { max: 6000, timeWindow: MINUTE } } as const;
const schema = { hide: true };

/** SCIM 2.0 for directories, each with a token of its own. A directory sees and reaches what it has told of, and nothing else. */
export function scimRoutes(app: Api, deps: ApiDeps): void {
  app.register(async (scope) => scimScope(scope as unknown as Api, deps), { prefix: '/scim/v2' });
}

async function scimScope(scope: Api, deps: ApiDeps): Promise<void> {
  const { directories, directoryPeople: people, refusals } = deps.control.doors;
  const directoryOf = new WeakMap<FastifyRequest, Directory>();
  const caller = (request: FastifyRequest): Directory => directoryOf.get(request) as Directory;
  const base = (): string => `${deps.publicUrl()}/scim/v2`;

  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.addContentTypeParser('application/scim+json', { parseAs: 'string' }, parse);

  const failures = scope.createRateLimit({ max: FAILURES, timeWindow: MINUTE });
  scope.addHook('onRequest', async (request) => {
    const header = request.headers.authorization ?? '';
    try {
      directoryOf.set(
        request,
        await directories.authenticate(header.startsWith('Bearer ') ? header.slice(7).trim() : ''),
      );
    } catch (error) {
      const limit = await failures(request);
      refusals.note('scim', (error as Error).message, request.ip);
      throw !limit.isAllowed && limit.isExceeded ? new ScimError(429, 'Too many requests.') : error;
    }
  });

  scope.setErrorHandler((error, _request, reply) => {
    const { status, detail, scimType } = refusalOf(error);
    if (status >= 500) deps.logger?.error({ error: (error as Error).message }, 'a SCIM request failed');
    if (status === 401) void reply.header('www-authenticate', 'Bearer realm="postern"');
    return reply
      .status(status)
      .type(TYPE)
      .send(JSON.stringify(scimErrorBody(status, detail, scimType)));
  });

  /** People of the directory as resources. */
  const users = async (directory: Directory): Promise<Resource[]> => {
    const groups = await people.groups(directory);
    return (await people.list(directory)).map((person) => userResource(person, groups, base()));
  };
  const user = async (directory: Directory, id: string): Promise<Resource> =>
    userResource(await people.get(directory, id), await people.groups(directory), base());
  const group = async (directory: Directory, id: string): Promise<Resource> =>
    groupResource(await people.group(directory, id), base());

  scope.get('/ServiceProviderConfig', { config, schema }, (_request, reply) =>
    send(reply, 200, providerConfig(base())),
  );
  for (const [path, all] of [
    ['/ResourceTypes', resourceTypes],
    ['/Schemas', schemas],
  ] as const) {
    scope.get(path, { config, schema }, (_request, reply) =>
      send(reply, 200, listOf(all(base()), 1, all.length)),
    );
    scope.get<Id>(`${path}/:id`, { config, schema }, (request, reply) => {
      const found = all(base()).find(({ id }) => id === request.params.id);
      if (found === undefined) throw new ScimError(404, 'There is no such thing.');
      return send(reply, 200, found);
    });
  }

  scope.get('/Users', { config, schema }, async (request, reply) =>
    sendList(request, reply, await users(caller(request))),
  );
  scope.get<Id>('/Users/:id', { config, schema }, async (request, reply) =>
    sendOne(request, reply, 200, await user(caller(request), request.params.id)),
  );
  scope.post('/Users', { config, schema }, async (request, reply) => {
    const made = await people.add(caller(request), userOf(bodyOf(request)));
    return sendOne(request, reply, 201, await user(caller(request), made.id));
  });
  scope.put<Id>('/Users/:id', { config, schema }, async (request, reply) => {
    const directory = caller(request);
    const { id } = request.params;
    requireVersion(request, await user(directory, id));
    await people.replace(directory, id, userOf(bodyOf(request)));
    return sendOne(request, reply, 200, await user(directory, id));
  });
  scope.patch<Id>('/Users/:id', { config, schema }, async (request, reply) => {
    const directory = caller(request);
    const { id } = request.params;
    const before = await user(directory, id);
    requireVersion(request, before);
    await people.replace(directory, id, userOf(renamed(before, patched(before, request.body))));
    return sendOne(request, reply, 200, await user(directory, id));
  });
  scope.delete<Id>('/Users/:id', { config, schema }, async (request, reply) => {
    requireVersion(request, await user(caller(request), request.params.id));
    await people.remove(caller(request), request.params.id);
    return reply.status(204).send();
  });

  scope.get('/Groups', { config, schema }, async (request, reply) =>
    sendList(
      request,
      reply,
      (await people.groups(caller(request))).map((one) => groupResource(one, base())),
    ),
  );
  scope.get<Id>('/Groups/:id', { config, schema }, async (request, reply) =>
    sendOne(request, reply, 200, await group(caller(request), request.params.id)),
  );
  scope.post('/Groups', { config, schema }, async (request, reply) => {
    const made = await people.addGroup(caller(request), groupOf(bodyOf(request)));
    return sendOne(request, reply, 201, groupResource(made, base()));
  });
  scope.put<Id>('/Groups/:id', { config, schema }, async (request, reply) => {
    const directory = caller(request);
    const { id } = request.params;
    requireVersion(request, await group(directory, id));
    const made = await people.replaceGroup(directory, id, groupOf(bodyOf(request)));
    return sendOne(request, reply, 200, groupResource(made, base()));
  });
  scope.patch<Id>('/Groups/:id', { config, schema }, async (request, reply) => {
    const directory = caller(request);
    const { id } = request.params;
    const before = await group(directory, id);
    requireVersion(request, before);
    const made = await people.replaceGroup(directory, id, groupOf(patched(before, request.body)));
    return sendOne(request, reply, 200, groupResource(made, base()));
  });
  scope.delete<Id>('/Groups/:id', { config, schema }, async (request, reply) => {
    requireVersion(request, await group(caller(request), request.params.id));
    await people.removeGroup(caller(request), request.params.id);
    return reply.status(204).send();
  });
}

/**
 * A name has two places; where a patch changes only one of them, that one is meant.
 */
function renamed(before: Resource, after: Body): Body {
  const { displayName: was } = before;
  const { displayName, name, ...rest } = after;
  const { formatted, givenName, familyName } = (name ?? {}) as Record<string, unknown>;
  if (displayName !== was) return after;
  // One half of a name alone does not say what the whole is.
  const whole =
    typeof givenName === 'string' && typeof familyName === 'string' ? `${givenName} ${familyName}` : was;
  const changed = formatted !== was && formatted !== undefined ? formatted : whole;
  return { ...rest, displayName: changed };
}

function bodyOf(request: FastifyRequest): Body {
  const { body } = request;
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  throw new ScimError(400, 'The body is no JSON object.', 'invalidSyntax');
}

/** @see https://www.rfc-editor.org/rfc/rfc7644#section-3.14 */
function requireVersion(request: FastifyRequest, now: Resource): void {
  const wanted = request.headers['if-match'];
  if (wanted === undefined || wanted === '*' || wanted === versionOf(now)) return;
  throw new ScimError(412, 'It has been changed since.');
}

const versionOf = (resource: Resource): string => (resource.meta as { readonly version: string }).version;

function sendOne(
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  resource: Resource,
): FastifyReply {
  const version = versionOf(resource);
  void reply.header('etag', version);
  if (status === 200 && request.method === 'GET' && request.headers['if-none-match'] === version) {
    return reply.status(304).send();
  }
  if (status === 201)
    void reply.header('location', (resource.meta as { readonly location: string }).location);
  return send(reply, status, without(resource, request));
}

function sendList(request: FastifyRequest, reply: FastifyReply, all: readonly Resource[]): FastifyReply {
  const { filter, startIndex, count } = request.query as Record<string, string | undefined>;
  const conditions = typeof filter === 'string' ? parseFilter(filter) : [];
  const found = all.filter((resource) => meets(resource, conditions));
  const start = Math.max(1, whole(startIndex, 1));
  const size = Math.min(Math.max(0, whole(count, COUNT_DEFAULT)), COUNT_MAX);
  const page = found.slice(start - 1, start - 1 + size).map((resource) => without(resource, request));
  return send(reply, 200, listOf(page, start, found.length));
}

function whole(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^-?\d{1,9}$/.test(text)) return Number(text);
  throw new ScimError(400, 'startIndex and count are whole numbers.', 'invalidValue');
}

/** What is not wanted in the answer. @see https://www.rfc-editor.org/rfc/rfc7644#section-3.9 */
function without(resource: Resource, request: FastifyRequest): object {
  const { attributes, excludedAttributes } = request.query as Record<string, string | undefined>;
  const names = (text: string): Set<string> =>
    new Set(text.split(',').map((name) => name.trim().toLowerCase().replace(/\..*$/, '')));
  const kept = ['id', 'schemas', 'meta'];
  const entries = Object.entries(resource);
  if (typeof attributes === 'string') {
    const wanted = names(attributes);
    return Object.fromEntries(entries.filter(([key]) => kept.includes(key) || wanted.has(key.toLowerCase())));
  }
  if (typeof excludedAttributes !== 'string') return resource;
  const unwanted = names(excludedAttributes);
  return Object.fromEntries(
    entries.filter(([key]) => kept.includes(key) || !unwanted.has(key.toLowerCase())),
  );
}

const listOf = (resources: readonly object[], startIndex: number, totalResults: number): object => ({
  schemas: [LIST],
  totalResults,
  itemsPerPage: resources.length,
  startIndex,
  Resources: resources,
});

const send = (reply: FastifyReply, status: number, content: object): FastifyReply =>
  reply.status(status).type(TYPE).send(JSON.stringify(content));

function refusalOf(error: unknown): { status: number; detail: string; scimType?: string | undefined } {
  if (error instanceof ScimError)
    return { status: error.status, detail: error.message, scimType: error.scimType };
  if (error instanceof PosternError) {
    const status = httpStatus(error);
    const taken = error.code === 'POSTERN_CONFLICT' && error.message.includes(' already');
    const scimType = taken ? 'uniqueness' : error.code === 'POSTERN_INVALID' ? 'invalidValue' : undefined;
    return { status, detail: error.message, scimType };
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status >= 400 && status < 500)
    return { status, detail: (error as Error).message, scimType: 'invalidSyntax' };
  return { status: 500, detail: 'Postern failed to do this; its log says why.' };
}
