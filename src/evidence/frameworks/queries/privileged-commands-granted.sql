-- Privileged commands that were let through in the period under a grant that does not name their verb.
-- when: period
-- populations: commands_summary, grants
-- parameters: privileged-verbs
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c."grant", c.verbs, c.objects, g.scope
  from commands_summary c left join grants g on g.id = c."grant", json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
 where c.decision = 'allow' and lower(did.value) = lower(verb.value)
   and coalesce(' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ', '') not like '% ' || lower(verb.value) || ' %'
   and coalesce(' ' || replace(replace(replace(lower(g.scope), ',', ' '), ';', ' '), '(', ' ') || ' ', '') not like '% all %'
