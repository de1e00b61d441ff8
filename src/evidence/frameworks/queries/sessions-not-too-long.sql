-- Sessions of the period that lasted longer than the institution allows.
-- when: period
-- populations: sessions
-- parameters: session-longest-hours
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.resource->>'name' as resource, s.openedAt, s.closedAt
  from sessions s, period p
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
   and (julianday(coalesce(s.closedAt, p.asOf)) - julianday(s.openedAt)) * 24 > (select value from parameters where id = 'session-longest-hours')
