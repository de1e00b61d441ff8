-- Commands that were let through in the period after the end of their grant.
-- when: period
-- populations: commands_summary, grants
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary where decision = 'allow'
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c."grant", c.lastTime, g."end"
  from commands_summary c join grants g on g.id = c."grant"
 where c.decision = 'allow' and (julianday(c.lastTime) - julianday(g."end")) * 86400 > 0.05
