-- Twenty-five principals that ended in the period, drawn by the root of the log, with their last command: to judge whether access went in time.
-- when: period
-- populations: records, commands_summary
-- parameters: none
-- examined:
select count(distinct r.thing) from records r, period p
 where r.type in ('principal.disabled', 'principal.retired') and r.time >= p.since and r.time < p.until
-- rows:
select min(r.leaf) as leaf, r.thing as id, r.principal as name, min(r.time) as endedAt, r.type as ended, r.actor as endedBy, r.reason,
       (select max(c.lastTime) from commands_summary c where c.principalId = r.thing and c.decision = 'allow') as lastCommandAt,
       sample_rank('ended principals', r.thing) as rank
  from records r, period p
 where r.type in ('principal.disabled', 'principal.retired') and r.time >= p.since and r.time < p.until
 group by r.thing order by rank limit 25
