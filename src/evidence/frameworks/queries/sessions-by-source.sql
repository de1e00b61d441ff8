-- Sessions of the period by principal and address.
-- when: period
-- populations: sessions
-- parameters: none
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select min(s.leaf) as leaf, s.principal->>'name' as principal, s.resource->>'name' as resource,
       rtrim(rtrim(s.source, '0123456789'), ':') as address,
       s.client, count(*) as sessions, min(s.openedAt) as first, max(s.openedAt) as last
  from sessions s, period p
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
 group by 2, 3, 4, 5
