-- Decisions of reviews in the period to narrow, revoke or reassign that did not take effect.
-- when: period
-- populations: review_items, reviews
-- parameters: none
-- examined:
select count(*) from review_items, period where status = 'decided' and endedAt >= since and endedAt < until
-- rows:
select i.lastLeaf as leaf, i.id, i.principal->>'name' as principal, i."grant", i.decision->>'kind' as decision,
       i.effect->>'what' as effect, i.endedAt as decidedAt
  from review_items i join reviews v on v.id = i.review->>'id', period p
 where i.status = 'decided' and i.endedAt >= p.since and i.endedAt < p.until and coalesce(v.rehearsal, 0) = 0
   and i.decision->>'kind' in ('narrow', 'revoke', 'reassign')
   and (coalesce(i.effect->>'applied', 0) = 0 or i.effect->>'what' in ('nothing', 'kept'))
