-- Changes of principals, grants, credentials and bindings in the period that name nobody who made them.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where entity in ('principal', 'grant', 'credential', 'binding') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.time
  from records r, period p
 where r.entity in ('principal', 'grant', 'credential', 'binding') and r.time >= p.since and r.time < p.until
   and (coalesce(r.actorId, '') = '' or coalesce(r.actorKind, '') = '')
