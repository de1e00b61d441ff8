-- Commands that were let through in the period for principals that were suspended, disabled or retired, later than the institution allows.
-- when: period
-- populations: commands_summary, records
-- parameters: high-risk-disable-seconds
-- examined:
select count(*) from records, period where type in ('principal.suspended', 'principal.disabled', 'principal.retired') and time >= since and time < until
-- rows:
select c.lastLeaf as leaf, c.principal, r.type, r.time as endedAt, c.lastTime, c.commands
  from records r join commands_summary c on c.principalId = r.thing, period p
 where r.type in ('principal.suspended', 'principal.disabled', 'principal.retired') and r.time >= p.since and r.time < p.until
   and c.decision = 'allow' and (julianday(c.lastTime) - julianday(r.time)) * 86400 > (select value from parameters where id = 'high-risk-disable-seconds')
   and not exists (select 1 from records u
                    where u.thing = r.thing and u.type = 'principal.resumed' and u.leaf > r.leaf and u.time <= c.lastTime)
