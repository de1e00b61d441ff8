-- Grants in force in the period that last longer than the institution allows.
-- when: period
-- populations: grants
-- parameters: grant-longest-hours
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.start, g."end"
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and (julianday(g."end") - julianday(g.start)) * 24 > (select value from parameters where id = 'grant-longest-hours')
