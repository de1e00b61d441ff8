-- Active principals older than the interval of reviews on which no review decided in it.
-- when: end
-- populations: principals_end, review_items
-- parameters: review-interval-days
-- examined:
select count(*) from principals_end where status = 'active'
-- rows:
select q.lastLeaf as leaf, q.id, q.name, q.owner->>'name' as owner, q.createdAt,
       (select max(i.endedAt) from review_items i, period p
         where i.principal->>'id' = q.id and i.status = 'decided' and i.endedAt < p.until) as lastReviewedAt
  from principals_end q, period p
 where q.status = 'active' and julianday(p.asOf) - julianday(q.createdAt) > (select value from parameters where id = 'review-interval-days')
   and not exists (select 1 from review_items i
                    where i.principal->>'id' = q.id and i."grant" is null and i.status = 'decided' and i.endedAt < p.until
                      and julianday(p.asOf) - julianday(i.endedAt) <= (select value from parameters where id = 'review-interval-days'))
