-- Emergency grants whose use had to be reviewed in the period, and was not in time.
-- when: period
-- populations: grants, review_items, reviews
-- parameters: none
-- examined:
select count(*) from grants g, period p where g.kind = 'emergency' and g.reviewBy >= p.since and g.reviewBy < p.asOf
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.reviewBy, g.ticket, g.justification
  from grants g, period p
 where g.kind = 'emergency' and g.reviewBy >= p.since and g.reviewBy < p.asOf
   and not exists (select 1 from review_items i join reviews r on r.id = i.review->>'id'
                    where i."grant" = g.id and i.status = 'decided' and coalesce(r.rehearsal, 0) = 0 and i.decision->>'at' <= g.reviewBy)
