import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTarget, routeOf } from '../protocols/http/target.ts';
import { rightsOf } from './scope-rights.ts';
import { scopeRelations } from './scopes.ts';

test('what a right of HTTP covers fits its pattern, as records have it', () => {
  const db = new DatabaseSync(':memory:');
  const fits = db.prepare('SELECT ? GLOB ? AS fits');
  const segment = fc.constantFrom('a', 'b', '42', 'x-y', 'A%2A', 'user@example.org', '0123456789abcdef');
  const pattern = fc.oneof(segment, fc.constant('*'));
  const path = fc.array(segment, { minLength: 1, maxLength: 3 });
  const patterns = fc.tuple(fc.array(pattern, { minLength: 1, maxLength: 3 }), fc.boolean());
  fc.assert(
    fc.property(patterns, path, ([parts, open], segments) => {
      const wide = `GET on /${parts.join('/')}${open ? '/**' : ''}`;
      const asked = readTarget(`/${segments.join('/')}`);
      if ('refused' in asked || !scopeRelations.within('http', `GET on /${segments.join('/')}`, wide)) return;
      const [right] = rightsOf('http', wide);
      assert.equal(fits.get(routeOf(asked), right?.glob ?? '')?.fits, 1, `${asked.path} ${wide}`);
    }),
    { numRuns: 2000 },
  );
  db.close();
});
