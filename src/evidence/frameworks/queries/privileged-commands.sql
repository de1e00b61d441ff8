-- Privileged commands of the period, by principal and verb.
-- when: period
-- populations: commands_summary
-- parameters: privileged-verbs
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
-- rows:
select min(c.firstLeaf) as leaf, c.principal, c.resource, c.verbs, c.decision, sum(c.commands) as commands, min(c.firstTime) as first, max(c.lastTime) as last
  from commands_summary c
 where exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
 group by c.principalId, c.principal, c.resource, c.verbs, c.decision
