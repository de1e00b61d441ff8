\set aid random(1, 100000)
\startpipeline
begin;
select abalance from pgbench_accounts where aid = :aid;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
select bid from pgbench_branches;
end;
\endpipeline
