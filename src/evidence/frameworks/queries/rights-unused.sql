-- Rights of grants in force at the end that were given longer ago than the institution allows and under which nothing was done since. Of a command with several verbs and objects each verb counts as used on each.
-- when: end
-- populations: grant_rights, commands_summary
-- parameters: unused-privilege-days
-- examined:
select count(*) from grant_rights r, period p
 where r.start < p.asOf and r."end" > p.asOf
   and julianday(p.asOf) - julianday(p.since) >= (select value from parameters where id = 'unused-privilege-days')
-- rows:
with n as (select value as days from parameters where id = 'unused-privilege-days')
select r.leaf, r.id, r."grant", r.principal->>'name' as principal, r.resource->>'name' as resource, r.verb, r.columns, r.object, r.start
  from grant_rights r, period p, n
 where r.start < p.asOf and r."end" > p.asOf and julianday(p.asOf) - julianday(p.since) >= n.days
   and julianday(p.asOf) - julianday(r.start) > n.days
   and not exists (select 1 from commands_summary c
                    where c."grant" = r."grant" and c.decision = 'allow' and julianday(p.asOf) - julianday(c.lastTime) <= n.days
                      and (c.verbs is null or exists (select 1 from json_each(c.verbs) v where v.value = r.verb))
                      and (c.objects is null or exists (select 1 from json_each(c.objects) o where o.value glob r.objects)))
