-- Changes of principals in the period, by type and by who made them.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where entity = 'principal' and time >= since and time < until
-- rows:
select min(r.leaf) as leaf, r.type, r.actorKind, r.actor, count(*) as changes, min(r.time) as first, max(r.time) as last
  from records r, period p
 where r.entity = 'principal' and r.time >= p.since and r.time < p.until
 group by r.type, r.actorKind, r.actor
