-- Grants in force in the period that the requester agreed to.
-- when: period
-- populations: grants, requests
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and g.request is not null
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, r.requester->>'name' as requester
  from grants g join requests r on r.id = g.request, period p, json_each(coalesce(g.approvers, '[]')) a
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and a.value->>'id' = r.requester->>'id'
