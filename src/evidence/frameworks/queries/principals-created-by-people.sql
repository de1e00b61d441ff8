-- Principals that were made in the period by nobody who is a person.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where type = 'principal.created' and time >= since and time < until
-- rows:
select r.leaf, r.id, r.after->>'name' as name, r.actorKind, r.actor, r.time
  from records r, period p
 where r.type = 'principal.created' and r.time >= p.since and r.time < p.until and coalesce(r.actorKind, '') <> 'person'
