-- Grants in force in the period that give a verb which the institution calls privileged.
-- when: period
-- populations: grants
-- parameters: privileged-verbs
-- examined:
select count(*) from grants g, period p where g.start < p.until and coalesce(g.endedAt, g."end") > p.since
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.start, coalesce(g.endedAt, g."end") as ended
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
