-- Sessions that were refused in the period, by principal and reason.
-- when: period
-- populations: sessions
-- parameters: none
-- examined:
select count(*) from sessions, period where openedAt >= since and openedAt < until
-- rows:
select min(s.leaf) as leaf, s.principal->>'name' as principal, s.reason, count(*) as sessions, min(s.openedAt) as first, max(s.openedAt) as last
  from sessions s, period p
 where s.status = 'refused' and s.openedAt >= p.since and s.openedAt < p.until
 group by 2, 3
