-- Commands that a condition of a grant refused in the period.
-- when: period
-- populations: commands_summary
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary
-- rows:
select min(firstLeaf) as leaf, principal, resource, objects, sum(commands) as commands, min(firstTime) as first, max(lastTime) as last
  from commands_summary
 where decision = 'deny' and why in ('POSTERN_CONDITION_DENIED', 'POSTERN_LIMIT_EXCEEDED')
 group by principalId, principal, resource, objects
