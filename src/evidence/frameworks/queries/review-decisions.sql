-- What reviews decided in the period, by whom, why, and what came of it.
-- when: period
-- populations: review_items, reviews
-- parameters: none
-- examined:
select count(*) from review_items, period where endedAt >= since and endedAt < until
-- rows:
select i.lastLeaf as leaf, i.id, i.principal->>'name' as principal, i.resource->>'name' as resource, r.name as review, i.status,
       i.decision->>'kind' as decision, i.decision->'by'->>'name' as reviewer, i.decision->>'at' as at, i.decision->>'reason' as reason,
       i.decision->>'view' as shownSha256, i.effect->>'what' as effect
  from review_items i join reviews r on r.id = i.review->>'id', period p
 where i.endedAt >= p.since and i.endedAt < p.until
