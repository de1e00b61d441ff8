-- Grants in force in the period to a resource of another environment than the principal’s.
-- when: period
-- populations: grants, principals, resources
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, q.name as principal, q.environment, r.name as resource, r.environment as resourceEnvironment
  from grants g join principals q on q.id = g.principal->>'id' join resources r on r.id = g.resource->>'id', period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and q.environment <> r.environment
