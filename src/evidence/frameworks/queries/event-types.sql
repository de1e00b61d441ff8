-- Types of records in the period, and how many there are.
-- when: period
-- populations: records, commands_summary, sessions
-- parameters: none
-- examined:
select (select count(*) from records, period where time >= since and time < until)
     + (select coalesce(sum(commands), 0) from commands_summary)
     + (select count(*) from sessions, period where openedAt >= since and openedAt < until)
-- rows:
select min(r.leaf) as leaf, r.type, count(*) as records from records r, period p where r.time >= p.since and r.time < p.until group by r.type
 union all
select min(firstLeaf), case decision when 'allow' then 'command.intent' else 'command.denied' end, sum(commands) from commands_summary group by decision
 union all
select min(s.leaf), case s.status when 'refused' then 'session.refused' else 'session.opened' end, count(*)
  from sessions s, period p where s.openedAt >= p.since and s.openedAt < p.until group by 2
