-- People who had two roles at once in the period that the institution keeps apart.
-- when: period
-- populations: administrators
-- parameters: incompatible-roles
-- examined:
select count(distinct person->>'id') from administrators, period where givenAt < until and coalesce(takenAt, until) > since
-- rows:
select a.leaf, a.person->>'id' as id, a.person->>'name' as person, a.role, b.role as otherRole
  from administrators a join administrators b on b.person->>'id' = a.person->>'id' and b.role <> a.role, period p,
       json_each((select value from parameters where id = 'incompatible-roles')) apart
 where apart.value = a.role || '+' || b.role
   and a.givenAt < p.until and coalesce(a.takenAt, p.until) > p.since
   and b.givenAt < coalesce(a.takenAt, p.until) and coalesce(b.takenAt, p.until) > max(a.givenAt, p.since)
