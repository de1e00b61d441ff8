-- Texts that were destroyed in the period by nobody, or without a reason.
-- when: period
-- populations: erasures
-- parameters: none
-- examined:
select count(*) from erasures, period where time >= since and time < until
-- rows:
select e.leaf, e.id, e."by"->>'name' as person, e.cause, e.day, e.payloads, e.reason
  from erasures e, period p
 where e.time >= p.since and e.time < p.until and (e."by" is null or coalesce(trim(e.reason), '') = '')
