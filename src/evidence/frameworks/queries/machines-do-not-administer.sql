-- Changes in the period of people, principals, resources, policy or masks that a principal made.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where entity in ('person', 'principal', 'resource', 'policy', 'mask', 'trust', 'retention', 'parameters') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.actor, r.time
  from records r, period p
 where r.entity in ('person', 'principal', 'resource', 'policy', 'mask', 'trust', 'retention', 'parameters')
   and r.time >= p.since and r.time < p.until and r.actorKind = 'principal'
