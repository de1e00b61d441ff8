-- Records of taking up again a principal in the period that name no actor, or whose before and after are of something else.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where type in ('principal.resumed') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.principal, r.time
  from records r, period p
 where r.type in ('principal.resumed') and r.time >= p.since and r.time < p.until
   and (coalesce(r.actorId, '') = '' or coalesce(r.before->>'status', '') <> 'suspended' or r.after->>'status' <> 'active')
