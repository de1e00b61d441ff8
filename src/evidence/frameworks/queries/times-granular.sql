-- Records of the period whose time is not one of UTC, or coarser than the institution allows.
-- when: period
-- populations: records
-- parameters: time-granularity-microseconds
-- examined:
select count(*) from records, period where time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.time
  from records r, period p
 where r.time >= p.since and r.time < p.until
   and (r.time not glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        or (select value from parameters where id = 'time-granularity-microseconds') < 1)
