-- Who had which role in the period, from when until when.
-- when: period
-- populations: administrators
-- parameters: none
-- examined:
select count(*) from administrators, period where givenAt < until and coalesce(takenAt, until) > since
-- rows:
select a.leaf, a.id, a.person->>'name' as person, a.role, a.givenAt, a.givenBy->>'name' as givenBy, a.takenAt, a.takenBy->>'name' as takenBy
  from administrators a, period p where a.givenAt < p.until and coalesce(a.takenAt, p.until) > p.since
