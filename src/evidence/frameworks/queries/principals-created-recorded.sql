-- Records of making a principal in the period that name no actor, or whose before and after are of something else.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where type in ('principal.created') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.principal, r.time
  from records r, period p
 where r.type in ('principal.created') and r.time >= p.since and r.time < p.until
   and (coalesce(r.actorId, '') = '' or r.before is not null)
