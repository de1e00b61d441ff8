-- Commands that were let through in the period before their grant was given or had begun.
-- when: period
-- populations: commands_summary, grants
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary where decision = 'allow'
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c."grant", c.firstTime, g.start, g.createdAt
  from commands_summary c join grants g on g.id = c."grant"
 where c.decision = 'allow'
   and (julianday(g.start) - julianday(c.firstTime)) * 86400 > 0.05
