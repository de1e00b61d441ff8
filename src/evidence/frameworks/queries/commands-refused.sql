-- Commands that were refused in the period, by principal and reason.
-- when: period
-- populations: commands_summary
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary
-- rows:
select min(firstLeaf) as leaf, principal, resource, why, sum(commands) as commands, min(firstTime) as first, max(lastTime) as last
  from commands_summary where decision = 'deny'
 group by principalId, principal, resource, why
