-- Types of records that the institution wants to have and that Postern writes none of in the whole log.
-- when: end
-- populations: records, commands_summary, sessions
-- parameters: logged-events
-- examined:
select count(*) from json_each((select value from parameters where id = 'logged-events'))
-- rows:
select null as leaf, e.value as type
  from json_each((select value from parameters where id = 'logged-events')) e
 where not exists (select 1 from records r where r.type = e.value)
   and not (e.value in ('command.intent', 'command.outcome') and exists (select 1 from commands_summary where decision = 'allow'))
   and not (e.value = 'command.denied' and exists (select 1 from commands_summary where decision = 'deny'))
   and not (e.value in ('session.opened', 'session.closed') and exists (select 1 from sessions where status <> 'refused'))
   and not (e.value = 'session.refused' and exists (select 1 from sessions where status = 'refused'))
