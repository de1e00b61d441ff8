-- Changes in the period of what Postern enforces by people who could not administer at that time, or by no person.
-- when: period
-- populations: records, administrators
-- parameters: none
-- examined:
select count(*) from records, period where entity in ('policy', 'resource', 'mask', 'retention', 'parameters', 'trust', 'identity_provider', 'directory', 'lifecycle', 'sign_in', 'legal_hold', 'alert_rules') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.actorKind, r.actor, r.time
  from records r, period p
 where r.entity in ('policy', 'resource', 'mask', 'retention', 'parameters', 'trust', 'identity_provider', 'directory', 'lifecycle', 'sign_in', 'legal_hold', 'alert_rules') and r.time >= p.since and r.time < p.until and coalesce(r.actorKind, '') <> 'system'
   and not exists (select 1 from administrators a
                    where a.person->>'id' = r.actorId and a.role = 'admin'
                      and a.givenAt <= r.time and coalesce(a.takenAt, r.time) >= r.time)
