-- Grants in force in the period with the conditions of their use.
-- when: period
-- populations: grants
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.conditions
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and coalesce(g.conditions, '{}') <> '{}'
