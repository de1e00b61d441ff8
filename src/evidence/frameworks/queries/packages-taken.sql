-- Evidence packages that were taken in the period: copies of the log that left it.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where time >= since and time < until
-- rows:
select r.leaf, r.id, r.actor, r.time, r.details
  from records r, period p where r.type = 'evidence.exported' and r.time >= p.since and r.time < p.until
