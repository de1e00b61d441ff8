-- Sessions of the period that no credential of their principal opened.
-- when: period
-- populations: sessions, credentials
-- parameters: none
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.credential, s.openedAt
  from sessions s left join credentials c on c.id = s.credential, period p
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since and s.proof is null
   and (s.principal is null or c.id is null or c.principal->>'id' <> s.principal->>'id')
