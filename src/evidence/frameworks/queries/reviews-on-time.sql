-- Items of reviews that were due in the period and on which nobody had decided by then.
-- when: period
-- populations: review_items, reviews
-- parameters: none
-- examined:
select count(*) from review_items i join reviews v on v.id = i.review->>'id', period p where v.dueAt >= p.since and v.dueAt < p.until and v.dueAt <= p.asOf
-- rows:
select i.lastLeaf as leaf, i.id, v.name as review, i.principal->>'name' as principal, i."grant", i.status, i.endedAt, v.dueAt
  from review_items i join reviews v on v.id = i.review->>'id', period p
 where v.dueAt >= p.since and v.dueAt < p.until and v.dueAt <= p.asOf and coalesce(v.rehearsal, 0) = 0
   and i.status <> 'withdrawn' and (i.status = 'lapsed' or coalesce(i.endedAt, p.asOf) > v.dueAt)
