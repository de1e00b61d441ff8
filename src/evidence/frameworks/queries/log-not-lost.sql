-- What the log says was lost or put right in the period.
-- when: period
-- populations: log_health, records
-- parameters: none
-- examined:
select count(*) from records, period where time >= since and time < until
-- rows:
select h.leaf, h.id, h.kind, h.what, h.time
  from log_health h, period p where h.kind in ('lost', 'corrected') and h.time >= p.since and h.time < p.until
