-- Times in the period in which something could not be recorded, and nothing was let through.
-- when: period
-- populations: log_health
-- parameters: none
-- examined:
select count(*) from log_health h, period p where h.time >= p.since and h.time < p.until
-- rows:
select h.leaf, h.id, h.kind, h.since, h.time, h.what
  from log_health h, period p
 where h.kind in ('not_recording', 'recovered', 'lost', 'repeated') and h.time >= p.since and coalesce(h.since, h.time) < p.until
