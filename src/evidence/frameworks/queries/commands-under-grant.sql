-- Commands that were let through in the period under no grant that the log knows.
-- when: period
-- populations: commands_summary, grants
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary where decision = 'allow'
-- rows:
select c.firstLeaf as leaf, c.principal, c.resource, c."grant", c.verbs, c.objects, c.commands, c.firstTime
  from commands_summary c left join grants g on g.id = c."grant"
 where c.decision = 'allow'
   and (g.id is null or g.principal->>'id' <> c.principalId or g.resource->>'id' <> c.resourceId)
