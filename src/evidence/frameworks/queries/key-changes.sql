-- Changes of keys in the period.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where time < until and (type in ('ledger.opened', 'ledger.key.rotated', 'vault.key.rotated', 'token_key.rotated', 'resource.secret_rotated'))
-- rows:
select r.leaf, r.id, r.type, r.actor, r.time, r.reason
  from records r, period p
 where r.type in ('ledger.opened', 'ledger.key.rotated', 'vault.key.rotated', 'token_key.rotated', 'resource.secret_rotated')
   and r.time >= p.since and r.time < p.until
