-- With what programs principals connected in the period, as these call themselves.
-- when: period
-- populations: sessions
-- parameters: none
-- examined:
select count(*) from sessions, period where openedAt >= since and openedAt < until
-- rows:
select min(s.leaf) as leaf, s.principal->>'name' as principal, s.client, s.status = 'refused' as refused, count(*) as sessions,
       min(s.openedAt) as first, max(s.openedAt) as last
  from sessions s, period p
 where s.openedAt >= p.since and s.openedAt < p.until
 group by s.principal->>'name', s.client, s.status = 'refused'
