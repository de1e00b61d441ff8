-- Twenty-five privileged grants in force in the period, drawn by the root of the log: to hold each against a need of the business.
-- when: period
-- populations: grants
-- parameters: privileged-verbs
-- examined:
select count(*) from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
-- rows:
select g.leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.scope, g.start, g."end", g.approvers,
       g.ticket, g.justification, sample_rank('privileged grants', g.id) as rank
  from grants g, period p
 where g.start < p.until and coalesce(g.endedAt, g."end") > p.since and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
 order by rank limit 25
