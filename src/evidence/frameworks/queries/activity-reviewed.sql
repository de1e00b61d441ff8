-- Activity of the period that nobody reviewed within the interval of the institution, by principal.
-- when: period
-- populations: log_reviews, commands_summary
-- parameters: log-review-days
-- examined:
select count(distinct principalId) from commands_summary c, period p
 where julianday(p.asOf) - julianday(c.lastTime) > (select value from parameters where id = 'log-review-days')
-- rows:
select min(c.firstLeaf) as leaf, c.principalId as id, c.principal, sum(c.commands) as commands, min(c.firstTime) as first, max(c.lastTime) as last
  from commands_summary c, period p
 where julianday(p.asOf) - julianday(c.lastTime) > (select value from parameters where id = 'log-review-days')
   and not exists (select 1 from log_reviews v
                    where v.principal->>'id' = c.principalId and v.fromLeaf <= c.firstLeaf and v.toLeaf >= c.lastLeaf
                      and julianday(v.createdAt) - julianday(c.lastTime) <= (select value from parameters where id = 'log-review-days'))
 group by c.principalId, c.principal
