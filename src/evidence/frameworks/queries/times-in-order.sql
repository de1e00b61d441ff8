-- Records of the period that are older than the change before them by more than a second.
-- when: period
-- populations: records
-- parameters: none
-- examined:
select count(*) from records, period where time >= since and time < until
-- rows:
select o.leaf, o.id, o.type, o.time, o.before
  from (select leaf, id, type, time, lag(time) over (order by leaf) as before from records) o, period p
 where o.time >= p.since and o.time < p.until and (julianday(o.before) - julianday(o.time)) * 86400 > 1
