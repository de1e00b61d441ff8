-- Sessions of the period that went on, without any grant of the principal on the resource, for longer than the institution allows.
-- when: period
-- populations: sessions, grants
-- parameters: revocation-seconds
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.resource->>'name' as resource, s.openedAt, s.closedAt, e.ended
  from sessions s, period p,
       (select g.principal->>'id' as principal, g.resource->>'id' as resource, g.start, coalesce(g.endedAt, g."end") as ended
          from grants g) e
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
   and e.principal = s.principal->>'id' and e.resource = s.resource->>'id' and e.start <= coalesce(s.closedAt, p.asOf)
   and (julianday(coalesce(s.closedAt, p.asOf)) - julianday(e.ended)) * 86400 > (select value from parameters where id = 'revocation-seconds')
   and not exists (select 1 from grants l
                    where l.principal->>'id' = e.principal and l.resource->>'id' = e.resource
                      and l.start <= coalesce(s.closedAt, p.asOf) and coalesce(l.endedAt, l."end") > e.ended)
