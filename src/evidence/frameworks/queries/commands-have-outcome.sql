-- Commands that were let through in the period in sessions that are closed, and of which the log has no outcome.
-- when: period
-- populations: commands_summary, sessions
-- parameters: none
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where c.decision = 'allow'
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c.session, c.verbs, c.objects, c.unanswered, s.closedAt
  from commands_summary c left join sessions s on s.id = c.session
 where c.unanswered > 0 and coalesce(s.status, 'closed') <> 'open'
