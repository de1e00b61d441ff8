-- What the log says of itself in the period.
-- when: period
-- populations: log_health
-- parameters: none
-- examined:
select count(*) from log_health h, period p where h.time >= p.since and h.time < p.until
-- rows:
select h.leaf, h.id, h.kind, h.by->>'name' as by, h.time, h.what
  from log_health h, period p where h.time >= p.since and h.time < p.until
