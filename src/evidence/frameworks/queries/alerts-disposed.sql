-- Alerts of the period on which nobody decided within the time that the institution allows.
-- when: period
-- populations: alerts
-- parameters: alert-disposition-hours
-- examined:
select count(*) from alerts, period where createdAt >= since and createdAt < until
-- rows:
select a.lastLeaf as leaf, a.id, a.principal->>'name' as principal, a.status, a.createdAt
  from alerts a, period p
 where a.createdAt >= p.since and a.createdAt < p.until
   and (julianday(coalesce(a.disposition->>'at', p.asOf)) - julianday(a.createdAt)) * 24 > (select value from parameters where id = 'alert-disposition-hours')
