-- Resources in use at the end whose password is older than the institution allows.
-- when: end
-- populations: resources_end, records
-- parameters: upstream-secret-longest-days
-- examined:
select count(*) from resources_end where status = 'active'
-- rows:
select r.lastLeaf as leaf, r.id, r.name, c.after->>'$.upstream.user' as user, c.after->>'$.upstream.since' as since
  from resources_end r join records c on c.leaf = r.lastLeaf, period p
 where r.status = 'active'
   and (c.after->>'$.upstream.since' is null
        or julianday(p.asOf) - julianday(c.after->>'$.upstream.since') > (select value from parameters where id = 'upstream-secret-longest-days'))
