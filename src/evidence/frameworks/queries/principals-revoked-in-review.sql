-- Principals that a review decided to end and that are still active later than the institution allows.
-- when: end
-- populations: principals_end, review_items
-- parameters: disable-within-hours
-- examined:
select count(*) from review_items, period where "grant" is null and decision->>'kind' = 'revoke' and endedAt < until
-- rows:
select q.lastLeaf as leaf, q.id, q.name, i.endedAt as decidedAt, i.decision->>'$.by.name' as decidedBy
  from review_items i join principals_end q on q.id = i.principal->>'id', period p
 where i."grant" is null and i.decision->>'kind' = 'revoke' and i.endedAt < p.until
   and coalesce(i.effect->>'applied', 1) = 1 and q.status = 'active'
   and (julianday(p.asOf) - julianday(i.endedAt)) * 24 > (select value from parameters where id = 'disable-within-hours')
