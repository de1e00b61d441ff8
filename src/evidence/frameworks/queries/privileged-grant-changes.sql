-- Privileged grants that were given, narrowed or ended in the period, with who did it.
-- when: period
-- populations: records
-- parameters: privileged-verbs
-- examined:
select count(*) from records, period where entity = 'grant' and time >= since and time < until
-- rows:
select r.leaf, r.id, r.type, r.principal, r.actor, r.time, g.scope
  from records r, period p, (select leaf, after->>'scope' as scope from records where entity = 'grant') g
 where r.entity = 'grant' and r.time >= p.since and r.time < p.until and g.leaf = r.leaf and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
