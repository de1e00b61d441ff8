-- Principals that are still active although their owner left longer ago than the institution allows.
-- when: end
-- populations: principals_end, persons_end, records
-- parameters: disable-within-hours
-- examined:
select count(*) from principals_end where status = 'active'
-- rows:
select q.lastLeaf as leaf, q.id, q.name, o.name as owner, r.time as ownerLeftAt
  from principals_end q
  join persons_end o on o.id = q.owner->>'id' and o.status <> 'active'
  join records r on r.leaf = o.lastLeaf, period p
 where q.status = 'active' and (julianday(p.asOf) - julianday(r.time)) * 24 > (select value from parameters where id = 'disable-within-hours')
