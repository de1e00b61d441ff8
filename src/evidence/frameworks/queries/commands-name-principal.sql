-- Commands of the period whose record names no principal or no session of it.
-- when: period
-- populations: commands_summary, sessions
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary
-- rows:
select c.firstLeaf as leaf, c.principal, c.session, c.commands
  from commands_summary c left join sessions s on s.id = c.session
 where c.principalId is null or (c.session is not null and (s.id is null or s.principal->>'id' <> c.principalId))
