-- Principals that are still active although their own end has passed for longer than the institution allows.
-- when: end
-- populations: principals_end
-- parameters: disable-within-hours
-- examined:
select count(*) from principals_end, period where expiresAt is not null and expiresAt < asOf
-- rows:
select q.lastLeaf as leaf, q.id, q.name, q.expiresAt
  from principals_end q, period p
 where q.status = 'active' and q.expiresAt is not null
   and (julianday(p.asOf) - julianday(q.expiresAt)) * 24 > (select value from parameters where id = 'disable-within-hours')
