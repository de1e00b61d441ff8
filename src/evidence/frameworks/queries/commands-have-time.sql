-- Commands of the period whose time is not one of UTC to the microsecond.
-- when: period
-- populations: commands_summary
-- parameters: none
-- examined:
select coalesce(sum(commands), 0) from commands_summary
-- rows:
select firstLeaf as leaf, principal, firstTime, lastTime
  from commands_summary
 where firstTime not glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
    or lastTime not glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
