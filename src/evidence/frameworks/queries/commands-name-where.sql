-- Commands of the period whose record names no resource.
-- when: period
-- populations: commands_summary
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary
-- rows:
select firstLeaf as leaf, principal, session, commands from commands_summary where resourceId is null
