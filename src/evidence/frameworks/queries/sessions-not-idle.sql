-- Sessions of the period that stayed open after their last command for longer than the institution allows.
-- when: period
-- populations: sessions, commands_summary
-- parameters: inactivity-logout-seconds
-- examined:
select count(*) from sessions s, period p where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
-- rows:
select s.leaf, s.id, s.principal->>'name' as principal, s.resource->>'name' as resource, s.openedAt, s.closedAt, c.last as lastCommandAt
  from sessions s left join (select session, max(lastTime) as last from commands_summary group by session) c on c.session = s.id, period p
 where s.status <> 'refused' and s.openedAt < p.until and coalesce(s.closedAt, p.asOf) > p.since
   and (julianday(coalesce(s.closedAt, p.asOf)) - julianday(max(s.openedAt, p.since, coalesce(c.last, ''))))
       * 86400 > (select value from parameters where id = 'inactivity-logout-seconds')
