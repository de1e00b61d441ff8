-- Sessions of the period in which the connection to the resource did not use TLS.
-- when: period
-- populations: sessions
-- parameters: none
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.resource->>'name' as resource, s.openedAt
  from sessions s, period p
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since and s.tls->>'upstream' is null
