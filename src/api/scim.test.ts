import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Answer, type Json, type TestApi, testApi } from './api.fixture.ts';

const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const ROLES = { 'DB Admins': ['admin'], Auditors: ['auditor'], Owners: ['owner'] };

interface Directory {
  readonly api: TestApi;
  readonly token: string;
  call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  user(userName: string, over?: object): Promise<Json>;
  group(displayName: string, ...members: unknown[]): Promise<Json>;
}

async function directory(context: TestContext, api?: TestApi, name = 'okta'): Promise<Directory> {
  const on = api ?? (await testApi(context));
  const made = await on.call('POST', '/v1/directories', { name, groups: ROLES });
  assert.equal(made.status, 201, made.text);
  const token = String(made.body.token);
  const call: Directory['call'] = (method, path, body, headers = {}) =>
    on.call(method, `/scim/v2${path}`, body, token, {
      ...(body !== undefined && { 'content-type': 'application/scim+json' }),
      ...headers,
    });
  const post = async (path: string, body: object): Promise<Json> => {
    const answer = await call('POST', path, body);
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };
  return {
    ...{ api: on, token, call },
    user: (userName, over = {}) =>
      post('/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName, ...over }),
    group: (displayName, ...members) =>
      post('/Groups', { displayName, members: members.map((value) => ({ value })) }),
  };
}

const patchOf = (...Operations: object[]) => ({ schemas: [PATCH], Operations });
const person = (d: Directory, ref: string) => d.api.control.persons.get(ref);

/** RFC 7643 section 8.2, the full user, with an enterprise extension and attributes that Postern does not keep. */
const FULL = {
  schemas: [
    'urn:ietf:params:scim:schemas:core:2.0:User',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
  ],
  externalId: '701984',
  userName: 'bjensen@example.com',
  name: {
    formatted: 'Ms. Barbara J Jensen, III',
    familyName: 'Jensen',
    givenName: 'Barbara',
    middleName: 'Jane',
  },
  displayName: 'Babs Jensen',
  nickName: 'Babs',
  emails: [
    { value: 'bjensen@example.com', type: 'work', primary: true },
    { value: 'babs@jensen.org', type: 'home' },
  ],
  addresses: [{ type: 'work', streetAddress: '100 Universal City Plaza' }],
  userType: 'Employee',
  title: 'Tour Guide',
  active: true,
  password: 't1meMa$heen',
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': {
    employeeNumber: '701984',
    costCenter: '4130',
  },
};

test('the full user of RFC 7643 joins, is found, and comes back with what Postern keeps of it and no password', async (context) => {
  const d = await directory(context);
  const made = await d.call('POST', '/Users', FULL);
  assert.equal(made.status, 201, made.text);
  assert.match(String(made.headers['content-type']), /^application\/scim\+json/);
  assert.equal(made.headers.location, `${d.api.deps.publicUrl()}/scim/v2/Users/${made.body.id}`);
  assert.deepEqual(
    [made.body.userName, made.body.displayName, made.body.active, made.body.externalId],
    ['bjensen@example.com', 'Babs Jensen', true, '701984'],
  );
  const found = await d.call(
    'GET',
    `/Users?filter=${encodeURIComponent('userName eq "BJENSEN@example.com"')}`,
  );
  assert.deepEqual(
    [found.body.totalResults, (found.body.Resources as unknown as Json[])[0]?.id],
    [1, made.body.id],
  );
  const babs = await person(d, 'bjensen@example.com');
  assert.deepEqual([babs.name, babs.roles, babs.status], ['Babs Jensen', [], 'active']);
  const last = d.api.sink.changes().at(-1);
  assert.deepEqual([last?.type, last?.actor.kind, last?.actor.name], ['person.created', 'directory', 'okta']);
  assert.ok(!d.api.sink.written.join().includes('t1meMa$heen'));
});

test('the server says what it is, in the shapes of RFC 7643', async (context) => {
  const d = await directory(context);
  const config = (await d.call('GET', '/ServiceProviderConfig')).body;
  assert.deepEqual(
    [config.patch?.supported, config.bulk?.supported, config.etag?.supported],
    [true, false, true],
  );
  const types = (await d.call('GET', '/ResourceTypes')).body;
  assert.deepEqual(
    (types.Resources as unknown as Json[]).map(({ id }) => id),
    ['User', 'Group'],
  );
  assert.equal((await d.call('GET', '/Schemas/urn:ietf:params:scim:schemas:core:2.0:User')).status, 200);
  assert.equal((await d.call('GET', '/Schemas/none')).status, 404);
});

test('who is not active any more, or deleted, is disabled at once with sessions and tokens; who comes back is enabled', async (context) => {
  const d = await directory(context);
  const { id } = await d.user('ed@example.org');
  const api = (await d.api.control.tokens.issue(d.api.actor, String(id))).token;
  const off = await d.call(
    'PATCH',
    `/Users/${id}`,
    patchOf({ op: 'Replace', path: 'active', value: 'False' }),
  );
  assert.deepEqual([off.status, off.body.active], [200, false]);
  assert.equal((await d.api.call('GET', '/v1/whoami', undefined, api)).status, 401);
  const last = d.api.sink.changes().at(-1);
  assert.deepEqual([last?.type, last?.reason, last?.actor.name], ['person.disabled', 'left okta', 'okta']);
  await d.call('PATCH', `/Users/${id}`, patchOf({ op: 'replace', value: { active: true } }));
  assert.equal((await person(d, 'ed@example.org')).status, 'active');
  assert.equal((await d.call('DELETE', `/Users/${id}`)).status, 204);
  assert.equal((await person(d, 'ed@example.org')).status, 'disabled');
  for (const method of ['GET', 'DELETE'] as const)
    assert.equal((await d.call(method, `/Users/${id}`)).status, 404);
  assert.equal((await d.call('GET', '/Users')).body.totalResults, 0);
  const again = await d.user('ed@example.org');
  assert.equal(again.id, id, 'the same person, since the log knows them');
  assert.equal((await person(d, 'ed@example.org')).status, 'active');
});

test('whom an administrator has disabled the directory does not bring back', async (context) => {
  const d = await directory(context);
  const { id } = await d.user('ed@example.org');
  await d.api.control.persons.disable(d.api.actor, String(id), 'under investigation');
  for (const [method, body] of [
    ['PUT', { userName: 'ed@example.org', active: true }],
    ['PATCH', patchOf({ op: 'replace', path: 'active', value: true })],
  ] as const) {
    assert.equal((await d.call(method, `/Users/${id}`, body)).body.active, false);
  }
  assert.equal((await person(d, 'ed@example.org')).status, 'disabled');
  await d.call('DELETE', `/Users/${id}`);
  const hand = await d.api.control.persons.create(d.api.actor, {
    name: 'H',
    email: 'h@example.org',
    roles: ['owner'],
  });
  await d.api.control.persons.disable(d.api.actor, hand.id, 'left');
  await d.user('h@example.org');
  assert.equal((await person(d, 'h@example.org')).status, 'disabled');
});

test('groups give roles and take them, also by their change of name and their end; roles given by hand stay', async (context) => {
  const d = await directory(context);
  const hand = await d.api.control.persons.create(d.api.actor, {
    name: 'Eve',
    email: 'eve@example.org',
    roles: ['reviewer'],
  });
  const eve = await d.user('eve@example.org');
  assert.equal(eve.id, hand.id, 'who is here by hand is taken over');
  const roles = async () => (await person(d, 'eve@example.org')).roles.join();
  const group = await d.group('Auditors', eve.id);
  assert.equal(await roles(), 'reviewer,auditor');
  assert.deepEqual((await d.call('GET', `/Users/${eve.id}`)).body.groups, [
    { value: group.id, display: 'Auditors', $ref: `${d.api.deps.publicUrl()}/scim/v2/Groups/${group.id}` },
  ]);
  await d.call(
    'PATCH',
    `/Groups/${group.id}`,
    patchOf({ op: 'replace', path: 'displayName', value: 'Owners' }),
  );
  assert.equal(await roles(), 'owner,reviewer');
  const out = { op: 'remove', path: `members[value eq "${eve.id}"]` };
  await d.call('PATCH', `/Groups/${group.id}`, patchOf(out));
  assert.equal(await roles(), 'reviewer');
  await d.call('PUT', `/Groups/${group.id}`, { displayName: 'Owners', members: [{ value: eve.id }] });
  assert.equal(await roles(), 'owner,reviewer');
  const mapping = await d.api.call('POST', '/v1/directories/okta/update', { groups: {}, reason: 'CHG-1' });
  assert.equal(mapping.status, 200, mapping.text);
  assert.equal(await roles(), 'reviewer');
  await d.api.call('POST', '/v1/directories/okta/update', { groups: ROLES, reason: 'CHG-2' });
  assert.equal(await roles(), 'owner,reviewer');
  assert.equal((await d.call('DELETE', `/Groups/${group.id}`)).status, 204);
  assert.equal(await roles(), 'reviewer');
  assert.equal((await d.call('GET', `/Groups/${group.id}`)).status, 404);
});

test('a directory never takes the last administrator away, by no way, and gives nobody roles that do not go together', async (context) => {
  const d = await directory(context);
  const ada = await d.user('ada@example.org', { displayName: 'Ada Admin' });
  assert.equal(ada.id, d.api.admin.id);
  for (const [method, body] of [
    ['DELETE', undefined],
    ['PATCH', patchOf({ op: 'replace', path: 'active', value: false })],
    ['PUT', { userName: 'ada@example.org', active: false }],
  ] as const) {
    const answer = await d.call(method, `/Users/${ada.id}`, body);
    assert.deepEqual([answer.status, answer.body.status], [409, '409'], answer.text);
  }
  const conflict = await d.call('POST', '/Groups', { displayName: 'Auditors', members: [{ value: ada.id }] });
  assert.equal(conflict.status, 409);
  // Two who are administrators by a group only, out of it at the same time, after the one by hand has gone.
  const two = [await d.user('x@example.org'), await d.user('y@example.org')];
  const group = await d.group('DB Admins', ...two.map(({ id }) => id));
  assert.equal((await d.call('DELETE', `/Users/${ada.id}`)).status, 204);
  const emptied = await d.call('PUT', `/Groups/${group.id}`, { displayName: 'DB Admins', members: [] });
  assert.equal(emptied.status, 409, emptied.text);
  assert.equal((await d.call('DELETE', `/Groups/${group.id}`)).status, 409);
  assert.ok((await person(d, 'x@example.org')).roles.includes('admin'));
});

test('one directory reaches nothing of another, nor anybody that it has not told of', async (context) => {
  const a = await directory(context);
  const b = await directory(context, a.api, 'entra');
  const { id } = await a.user('ed@example.org');
  const group = await a.group('Owners', id);
  for (const [method, path, body] of [
    ['GET', `/Users/${id}`, undefined],
    ['PUT', `/Users/${id}`, { userName: 'x@example.org' }],
    ['DELETE', `/Users/${id}`, undefined],
    ['DELETE', `/Users/${a.api.admin.id}`, undefined],
    ['GET', `/Groups/${group.id}`, undefined],
    ['DELETE', `/Groups/${group.id}`, undefined],
    ['PUT', `/Groups/${group.id}`, { displayName: 'X' }],
  ] as const) {
    assert.equal((await b.call(method, path, body)).status, 404, `${method} ${path}`);
  }
  assert.equal((await b.call('POST', '/Users', { userName: 'ed@example.org' })).status, 409);
  assert.equal(
    (await b.call('POST', '/Groups', { displayName: 'DB Admins', members: [{ value: id }] })).status,
    400,
  );
  assert.equal(
    (await b.call('POST', '/Groups', { displayName: 'DB Admins', members: [{ value: a.api.admin.id }] }))
      .status,
    400,
  );
});

test('people of a directory that was removed can be told of by another one', async (context) => {
  const a = await directory(context);
  const { id } = await a.user('ed@example.org');
  await a.group('Owners', id);
  const b = await directory(context, a.api, 'entra');
  assert.equal((await b.call('POST', '/Users', { userName: 'ed@example.org' })).status, 409);
  await a.api.call('POST', '/v1/directories/okta/remove', { reason: 'moved' });
  assert.deepEqual((await person(a, 'ed@example.org')).roles, [], 'the roles of its groups have ended');
  assert.equal((await b.user('ed@example.org')).id, id);
});

test('the token of a directory opens SCIM and nothing else, nothing else opens SCIM, and it ends', async (context) => {
  const d = await directory(context);
  assert.equal((await d.api.call('GET', '/v1/persons', undefined, d.token)).status, 401);
  for (const token of [d.api.token, null, 'scim_', `scim_${'x'.repeat(43)}`]) {
    const answer = await d.api.call('GET', '/scim/v2/Users', undefined, token);
    assert.deepEqual(
      [answer.status, answer.body.schemas],
      [401, ['urn:ietf:params:scim:api:messages:2.0:Error']],
    );
  }
  const renewed = await d.api.call('POST', '/v1/directories/okta/token', { ttlSeconds: 60 });
  assert.equal(renewed.status, 201, renewed.text);
  assert.equal((await d.call('GET', '/Users')).status, 401, 'the old token');
  const fresh = String(renewed.body.token);
  assert.equal((await d.api.call('GET', '/scim/v2/Users', undefined, fresh)).status, 200);
  await d.api.call('POST', '/v1/directories/okta/remove', { reason: 'other directory' });
  assert.equal((await d.api.call('GET', '/scim/v2/Users', undefined, fresh)).status, 401);
  assert.ok(!d.api.sink.written.join().includes(fresh.slice(5)));
});

test('guessing tokens is limited per address', async (context) => {
  const d = await directory(context);
  const guess = () => d.api.call('GET', '/scim/v2/Users', undefined, `scim_${'x'.repeat(43)}`);
  const statuses: number[] = [];
  for (let i = 0; i < 33; i++) statuses.push((await guess()).status);
  assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429]);
});

test('versions keep one writer from undoing another; pages and attributes are as asked', async (context) => {
  const d = await directory(context);
  for (const name of ['a', 'b', 'c']) await d.user(`${name}@example.org`);
  const [first] = (await d.call('GET', '/Users')).body.Resources as unknown as Json[];
  const version = String(first?.meta?.version);
  const change = (headers: Record<string, string>, name: string) =>
    d.call(
      'PATCH',
      `/Users/${first?.id}`,
      patchOf({ op: 'replace', path: 'displayName', value: name }),
      headers,
    );
  const done = await change({ 'if-match': version }, 'One');
  assert.deepEqual([done.status, done.headers.etag === version], [200, false]);
  assert.equal((await change({ 'if-match': version }, 'Two')).status, 412);
  assert.equal(
    (await d.call('GET', `/Users/${first?.id}`, undefined, { 'if-none-match': String(done.headers.etag) }))
      .status,
    304,
  );
  const page = (await d.call('GET', '/Users?startIndex=2&count=1&attributes=userName')).body;
  assert.deepEqual([page.totalResults, page.startIndex, page.itemsPerPage], [3, 2, 1]);
  const [only] = page.Resources as unknown as Json[];
  assert.deepEqual([only?.userName, only?.emails], ['b@example.org', undefined]);
  assert.equal((await d.call('GET', '/Users?count=0')).body.itemsPerPage, 0);
  assert.equal((await d.call('GET', '/Users?startIndex=x')).status, 400);
});

test('what is no user is refused in the words of SCIM, and nothing changes', async (context) => {
  const d = await directory(context);
  await d.user('ed@example.org');
  const before = d.api.sink.written.length;
  const cases: [body: unknown, status: number, scimType: string | undefined][] = [
    [{}, 400, 'invalidValue'],
    [{ userName: 5 }, 400, 'invalidValue'],
    [{ userName: 'no address' }, 400, 'invalidValue'],
    [{ userName: 'x', emails: [{ value: 'not an address' }] }, 400, 'invalidValue'],
    [{ userName: 'x@example.org', active: 'maybe' }, 400, 'invalidValue'],
    [{ userName: `${'x'.repeat(400)}@example.org` }, 400, 'invalidValue'],
    [{ userName: 'x\u202e@example.org' }, 400, 'invalidValue'],
    [{ userName: 'ED@example.org' }, 409, 'uniqueness'],
    ['{"__proto__":{"active":false},"userName":"p@example.org"}', 400, 'invalidSyntax'],
    ['[]', 400, 'invalidSyntax'],
    ['{', 400, 'invalidSyntax'],
  ];
  for (const [body, status, scimType] of cases) {
    const answer = await d.call('POST', '/Users', body);
    assert.deepEqual(
      [answer.status, answer.body.scimType],
      [status, scimType],
      `${JSON.stringify(body)} ${answer.text}`,
    );
  }
  assert.equal(d.api.sink.written.length, before);
});
