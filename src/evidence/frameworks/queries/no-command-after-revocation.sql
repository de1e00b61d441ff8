-- Commands that were let through in the period later after the revocation of their grant than the institution allows.
-- when: period
-- populations: commands_summary, grants
-- parameters: revocation-seconds
-- examined:
select count(*) from grants, period where status = 'revoked' and endedAt >= since and endedAt < until
-- rows:
select c.lastLeaf as leaf, c.principal, c.resource, c."grant", g.endedAt, c.lastTime
  from commands_summary c join grants g on g.id = c."grant", period p
 where c.decision = 'allow' and g.status = 'revoked' and g.endedAt < p.until
   and (julianday(c.lastTime) - julianday(g.endedAt)) * 86400 > (select value from parameters where id = 'revocation-seconds')
