-- Active resources at the end, and how what is done with them is recorded.
-- when: end
-- populations: resources_end, sessions
-- parameters: none
-- examined:
select count(*) from resources_end where status = 'active'
-- rows:
select r.lastLeaf as leaf, r.id, r.name, r.protocol, r.environment, r.classification, r.durability, r.resultDigest,
       (select max(s.openedAt) from sessions s, period p where s.resource->>'id' = r.id and s.openedAt < p.until) as lastSessionAt
  from resources_end r where r.status = 'active'
