-- Sessions of the period of which the log does not say where they came from.
-- when: period
-- populations: sessions
-- parameters: none
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.openedAt
  from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since and coalesce(s.source, '') = ''
