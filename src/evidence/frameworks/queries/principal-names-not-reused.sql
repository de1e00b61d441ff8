-- Principals whose name was another’s within the time in which the institution does not reuse one.
-- when: end
-- populations: principals_end, records
-- parameters: identifier-reuse-days
-- examined:
select count(*) from principals_end
-- rows:
select q.leaf, q.id, q.name, q.createdAt, o.id as former, r.time as formerEndedAt
  from principals_end q
  join principals_end o on lower(o.name) = lower(q.name) and o.id <> q.id and o.leaf < q.leaf
  join records r on r.leaf = o.lastLeaf
 where julianday(q.createdAt) - julianday(r.time) < (select value from parameters where id = 'identifier-reuse-days')
