-- Privileged commands of the period that no review of the log covers: those of a day must lie in one review, or in several that meet.
-- when: period
-- populations: log_reviews, commands_summary
-- parameters: privileged-verbs
-- examined:
select coalesce(sum(c.commands), 0) from commands_summary c where c.verbs is null or exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value))
-- rows:
with ranges as (
  select principal->>'id' as principalId, fromLeaf, toLeaf from log_reviews),
so_far as (
  select *, max(toLeaf) over (partition by principalId order by fromLeaf, toLeaf rows between unbounded preceding and 1 preceding) as before
    from ranges),
apart as (
  select *, sum(before is null or fromLeaf > before + 1) over (partition by principalId order by fromLeaf, toLeaf) as part from so_far),
reviewed as materialized (
  select principalId, min(fromLeaf) as fromLeaf, max(toLeaf) as toLeaf from apart group by principalId, part)
select c.firstLeaf as leaf, c.principalId as id, c.principal, c.resource, c.day, c.verbs, c.commands, c.lastLeaf
  from commands_summary c
 where (c.verbs is null or exists (select 1 from json_each(c.verbs) did, json_each((select value from parameters where id = 'privileged-verbs')) verb
                where lower(did.value) = lower(verb.value)))
   and not exists (select 1 from reviewed r
                    where r.principalId = c.principalId and r.fromLeaf <= c.firstLeaf and r.toLeaf >= c.lastLeaf)
