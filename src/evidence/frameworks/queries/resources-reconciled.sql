-- When each active resource was last compared with what is known of it in the period, and what that found.
-- when: period
-- populations: resources_end, reconciliations
-- parameters: none
-- examined:
select count(*) from resources_end where status = 'active'
-- rows:
select r.lastLeaf as leaf, r.id, r.name,
       (select max(c."at") from reconciliations c, period p
         where c.resource->>'id' = r.id and c.status = 'done' and c."at" >= p.since and c."at" < p.until) as reconciledAt,
       (select count(*) from reconciliations c, period p
         where c.resource->>'id' = r.id and c.status <> 'done' and c."at" >= p.since and c."at" < p.until) as notDone
  from resources_end r where r.status = 'active'
