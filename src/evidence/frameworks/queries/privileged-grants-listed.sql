-- Privileged grants in force in the period to principals that the institution does not name as privileged.
-- when: period
-- populations: grants
-- parameters: privileged-verbs, privileged-principals
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
   and g.principal->>'name' not in (select value from json_each((select value from parameters where id = 'privileged-principals')))
