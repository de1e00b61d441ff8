-- A signing key of the log that is older at the end than the institution allows.
-- when: end
-- populations: records
-- parameters: key-longest-days
-- examined:
select count(*) from records, period where type in ('ledger.opened', 'ledger.key.rotated') and time < until
-- rows:
select r.leaf, r.id, r.type, r.time as since
  from records r, period p
 where r.leaf = (select max(leaf) from records, period where type in ('ledger.opened', 'ledger.key.rotated') and time < until)
   and julianday(p.asOf) - julianday(r.time) > (select value from parameters where id = 'key-longest-days')
