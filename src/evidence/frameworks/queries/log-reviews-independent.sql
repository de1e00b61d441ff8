-- Reviews of the log in the period by somebody who answered for the principal at any of the leaves reviewed, or when they said so.
-- when: period
-- populations: log_reviews, records
-- parameters: none
-- examined:
select count(*) from log_reviews, period where createdAt >= since and createdAt < until
-- rows:
select l.leaf, l.id, l.principal->>'name' as principal, l.reviewer->>'name' as reviewer, l.fromLeaf, l.toLeaf
  from log_reviews l, period p
 where l.createdAt >= p.since and l.createdAt < p.until
   and exists (select 1 from records r
                where r.entity = 'principal' and r.thing = l.principal->>'id' and r.leaf < l.leaf
                  and l.reviewer->>'id' in (r.after->'owner'->>'id', r.after->'backupOwner'->>'id')
                  and (r.leaf <= l.toLeaf
                       and not exists (select 1 from records n
                                        where n.entity = 'principal' and n.thing = r.thing and n.leaf > r.leaf and n.leaf <= l.fromLeaf)
                       or not exists (select 1 from records n
                                       where n.entity = 'principal' and n.thing = r.thing and n.leaf > r.leaf and n.leaf < l.leaf)))
