-- Records of disabling and suspending a principal in the period that name no actor, or whose before and after are of something else.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where type in ('principal.disabled', 'principal.suspended') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.principal, r.time
  from records r, period p
 where r.type in ('principal.disabled', 'principal.suspended') and r.time >= p.since and r.time < p.until
   and (coalesce(r.actorId, '') = '' or r.after->>'status' not in ('disabled', 'suspended'))
