-- Grants in force at the end that were given longer ago than the institution allows and that no session stood under since.
-- when: end
-- populations: grants_end, sessions
-- parameters: unused-privilege-days
-- examined:
select count(*) from grants_end g, period p where g.status = 'active' and g.start < p.asOf and g."end" > p.asOf
-- rows:
with used as (select u.value as id, max(coalesce(s.closedAt, p.asOf)) as last
                from sessions s, period p, json_each(s.grants) u
               where s.status <> 'refused' and s.openedAt < p.until
               group by u.value)
select g.lastLeaf as leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.start, used.last as lastUsedAt
  from grants_end g left join used on used.id = g.id, period p
 where g.status = 'active' and g.start < p.asOf and g."end" > p.asOf
   and julianday(p.asOf) - julianday(max(g.start, coalesce(used.last, ''))) > (select value from parameters where id = 'unused-privilege-days')
