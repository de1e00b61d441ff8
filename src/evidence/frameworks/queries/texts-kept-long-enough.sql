-- Texts that were destroyed in the period sooner than the institution keeps them, and a rule at the end that would.
-- when: end
-- populations: erasures, retention
-- parameters: retention-days
-- examined:
select 1 + (select count(*) from erasures, period where time >= since and time < until)
-- rows:
select e.leaf, e.id, 'erased' as what, e.day, e.time, e.cause
  from erasures e, period p
 where e.time >= p.since and e.time < p.until and julianday(e.time) - julianday(e.day) < (select value from parameters where id = 'retention-days')
 union all
select r.leaf, r.id, 'rule', null, r.time, 'statements ' || r.statements || ' days'
  from retention r, period p
 where r.leaf = (select max(leaf) from retention, period where time < until) and r.statements < (select value from parameters where id = 'retention-days')
 union all
select r.leaf, r.id, 'rule', null, r.time, c.key || ' ' || (c.value->>'statements') || ' days'
  from retention r, json_each(coalesce(r.classifications, '{}')) c
 where r.leaf = (select max(leaf) from retention, period where time < until)
   and c.value->>'statements' < (select value from parameters where id = 'retention-days')
