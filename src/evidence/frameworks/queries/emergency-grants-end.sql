-- Emergency grants in force in the period that last longer than the institution allows.
-- when: period
-- populations: grants
-- parameters: emergency-grant-hours
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and g.kind = 'emergency'
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.start, coalesce(g.endedAt, g."end") as ended
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and g.kind = 'emergency'
   and (julianday(coalesce(g.endedAt, g."end")) - julianday(g.start)) * 24 > (select value from parameters where id = 'emergency-grant-hours')
