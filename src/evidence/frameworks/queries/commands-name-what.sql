-- Commands of the period that were let through without that the record says what they did to what.
-- when: period
-- populations: commands_summary
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary where decision = 'allow'
-- rows:
select firstLeaf as leaf, principal, resource, verbs, objects, commands
  from commands_summary
 where decision = 'allow' and verbs = '[]' and coalesce(why, '') = ''
