-- Privileged commands of the period that no review of the log covers: those of a day must lie in one review, or in two that meet.
-- when: period
-- populations: log_reviews, commands_summary
-- parameters: privileged-verbs
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where c.verbs is null or exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
-- rows:
select c.firstLeaf as leaf, c.principalId as id, c.principal, c.resource, c.day, c.verbs, c.commands, c.lastLeaf
  from commands_summary c
 where (c.verbs is null or exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value)))
   and not exists (select 1 from log_reviews a join log_reviews b
                    where a.principal->>'id' = c.principalId and b.principal->>'id' = c.principalId
                      and a.fromLeaf <= c.firstLeaf and b.toLeaf >= c.lastLeaf and a.toLeaf + 1 >= b.fromLeaf)
