-- People who changed keys, retention or holds of the log in the period and could not administer at that time.
-- when: period
-- populations: records, administrators
-- parameters: none
-- examined:
select count(*) from records, period where type in ('ledger.key.rotated', 'vault.key.rotated', 'retention.changed', 'legal_hold.placed', 'legal_hold.released', 'payload.erased') and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.actorKind, r.actor, r.time
  from records r, period p
 where r.type in ('ledger.key.rotated', 'vault.key.rotated', 'retention.changed', 'legal_hold.placed', 'legal_hold.released', 'payload.erased')
   and r.time >= p.since and r.time < p.until and coalesce(r.actorKind, '') <> 'system'
   and not exists (select 1 from administrators a
                    where a.person->>'id' = r.actorId and a.role = 'admin' and a.givenAt <= r.time and coalesce(a.takenAt, r.time) >= r.time)
