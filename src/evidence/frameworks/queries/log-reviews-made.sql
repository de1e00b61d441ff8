-- Who stated in the period that they reviewed what principals did, and what they found.
-- when: period
-- populations: log_reviews
-- parameters: none
-- examined:
select count(*) from log_reviews, period where createdAt >= since and createdAt < until
-- rows:
select l.leaf, l.id, l.principal->>'name' as principal, l.reviewer->>'name' as reviewer, l.fromLeaf, l.toLeaf, l.privileged, l.finding,
       l.ticket, l.createdAt
  from log_reviews l, period p where l.createdAt >= p.since and l.createdAt < p.until
