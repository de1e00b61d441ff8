-- Privileged grants in force at the end that are older than the interval of reviews and that no review decided on in it.
-- when: end
-- populations: grants_end, review_items
-- parameters: privileged-verbs, privileged-review-days
-- examined:
select count(*) from grants_end g, period p where g.status = 'active' and g.start < p.asOf and g."end" > p.asOf and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
-- rows:
select g.lastLeaf as leaf, g.id, g.principal->>'name' as principal, g.resource->>'name' as resource, g.start
  from grants_end g, period p
 where g.status = 'active' and g.start < p.asOf and g."end" > p.asOf and exists (select 1 from parameters v, json_each(v.value) verb
                where v.id = 'privileged-verbs'
                  and (' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% ' || verb.value || ' %'
                       or ' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ' like '% all %'))
   and julianday(p.asOf) - julianday(g.start) > (select value from parameters where id = 'privileged-review-days')
   and not exists (select 1 from review_items i
                    where i."grant" = g.id and i.status = 'decided' and i.endedAt < p.until
                      and julianday(p.asOf) - julianday(i.endedAt) <= (select value from parameters where id = 'privileged-review-days'))
