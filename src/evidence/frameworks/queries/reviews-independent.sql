-- Decisions of reviews in the period by the owner of the principal alone.
-- when: period
-- populations: review_items, principals
-- parameters: none
-- examined:
select count(*) from review_items, period where status = 'decided' and endedAt >= since and endedAt < until
-- rows:
select i.lastLeaf as leaf, i.id, q.name as principal, i.decision->>'$.by.name' as decidedBy, i.endedAt as decidedAt
  from review_items i join principals q on q.id = i.principal->>'id', period p
 where i.status = 'decided' and i.endedAt >= p.since and i.endedAt < p.until
   and i.decision->>'$.by.id' in (q.owner->>'id', q.backupOwner->>'id')
