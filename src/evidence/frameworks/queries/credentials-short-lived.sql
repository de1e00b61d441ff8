-- Credentials that were issued in the period for longer than the institution allows.
-- when: period
-- populations: credentials, records
-- parameters: credential-longest-hours
-- examined:
select count(*) from records, period where type = 'credential.issued' and time >= since and time < until
-- rows:
select r.leaf, c.id, c.principal->>'name' as principal, c.kind, r.time as issuedAt, c.expiresAt
  from records r join credentials c on c.id = r.thing, period p
 where r.type = 'credential.issued' and r.time >= p.since and r.time < p.until
   and (julianday(c.expiresAt) - julianday(r.time)) * 24 > (select value from parameters where id = 'credential-longest-hours')
