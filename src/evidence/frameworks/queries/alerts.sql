-- Alerts of the period, with what became of them.
-- when: period
-- populations: alerts
-- parameters: none
-- examined:
select count(*) from alerts, period where createdAt >= since and createdAt < until
-- rows:
select a.leaf, a.id, a.principal->>'name' as principal, a.rule, a.status, a.createdAt,
       a.disposition->>'kind' as disposition, a.disposition->>'$.by.name' as decidedBy, a.disposition->>'at' as decidedAt
  from alerts a, period p where a.createdAt >= p.since and a.createdAt < p.until
