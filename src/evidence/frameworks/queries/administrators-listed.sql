-- People who could administer at the end and whom the institution does not name.
-- when: end
-- populations: administrators
-- parameters: administrators
-- examined:
select count(*) from administrators, period where role = 'admin' and givenAt < until and coalesce(takenAt, until) >= until
-- rows:
select a.lastLeaf as leaf, a.id, a.person->>'name' as person, a.email, a.givenAt, a.givenBy->>'name' as givenBy
  from administrators a, period p
 where a.role = 'admin' and a.givenAt < p.until and coalesce(a.takenAt, p.until) >= p.until
   and lower(a.email) not in (select lower(value) from json_each((select value from parameters where id = 'administrators')))
