-- Active principals that nobody used for longer than the institution allows.
-- when: end
-- populations: principals_end
-- parameters: inactive-days
-- examined:
select count(*) from principals_end where status = 'active'
-- rows:
select q.lastLeaf as leaf, q.id, q.name, q.lastUsedAt, q.activeSince
  from principals_end q, period p
 where q.status = 'active'
   and julianday(p.asOf) - julianday(max(coalesce(q.lastUsedAt, ''), coalesce(q.activeSince, q.createdAt)))
       > (select value from parameters where id = 'inactive-days')
