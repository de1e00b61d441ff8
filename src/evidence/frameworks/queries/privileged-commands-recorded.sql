-- Privileged commands that were let through in the period and of which the log has no outcome although their session is closed.
-- when: period
-- populations: commands_summary, sessions
-- parameters: privileged-verbs
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where c.decision = 'allow' and exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c.session, c.verbs, c.objects, c.unanswered
  from commands_summary c left join sessions s on s.id = c.session
 where c.decision = 'allow' and c.unanswered > 0 and coalesce(s.status, 'closed') <> 'open' and exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
