-- Reviews of the log in the period by somebody who answered for the principal then.
-- when: period
-- populations: log_reviews, records
-- parameters: none
-- examined:
select count(*) from log_reviews, period where createdAt >= since and createdAt < until
-- rows:
select l.leaf, l.id, l.principal->>'name' as principal, l.reviewer->>'name' as reviewer
  from log_reviews l, period p
 where l.createdAt >= p.since and l.createdAt < p.until
   and exists (select 1 from records r
                where r.leaf = (select max(x.leaf) from records x
                                 where x.entity = 'principal' and x.thing = l.principal->>'id' and x.leaf < l.leaf)
                  and l.reviewer->>'id' in (r.after->'owner'->>'id', r.after->'backupOwner'->>'id'))
