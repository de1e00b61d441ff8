-- The books of a small bank, and its payroll next door: what the demo guards.
--
-- All rows are made up from a fixed seed, so every run has the same ones. Card numbers lie in a range that is
-- for tests and satisfy the Luhn check; tax ids have the form of the US ITIN; e-mail addresses are example.com's.

SELECT setseed(0.2026);

CREATE SCHEMA ledger;
CREATE SCHEMA hr;

CREATE TABLE ledger.customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL UNIQUE,
  card_number text NOT NULL CHECK (card_number ~ '^[0-9]{16}$'),
  tax_id text NOT NULL UNIQUE,
  since date NOT NULL
);

CREATE TABLE ledger.accounts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Null for the bank's own accounts.
  customer_id bigint REFERENCES ledger.customers,
  number text NOT NULL UNIQUE,
  kind text NOT NULL CHECK (kind IN ('checking', 'savings', 'cash', 'interest')),
  currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE ledger.transactions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  posted_at timestamptz NOT NULL DEFAULT now(),
  description text NOT NULL
);

CREATE TABLE ledger.entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction_id bigint NOT NULL REFERENCES ledger.transactions,
  account_id bigint NOT NULL REFERENCES ledger.accounts,
  amount numeric(14, 2) NOT NULL CHECK (amount <> 0)
);

CREATE FUNCTION pg_temp.with_check_digit(digits text) RETURNS text LANGUAGE sql AS $$
  SELECT digits || (10 - sum(
      CASE WHEN (length(digits) - i) % 2 = 0
        THEN (d * 2) / 10 + (d * 2) % 10
        ELSE d
      END) % 10) % 10
  FROM (SELECT i, substr(digits, i, 1)::int AS d FROM generate_series(1, length(digits)) AS i) AS numbered
$$;

WITH names AS (
  SELECT
    ARRAY['Ada', 'Amir', 'Ana', 'Bao', 'Carla', 'Chidi', 'Dana', 'Diego', 'Elif', 'Emma', 'Farah', 'Felix',
      'Grace', 'Hana', 'Ibrahim', 'Ines', 'Ivan', 'Jonas', 'Kofi', 'Lena', 'Liam', 'Mai', 'Mateo', 'Mina',
      'Nadia', 'Noah', 'Olga', 'Omar', 'Priya', 'Rosa', 'Samir', 'Tomas', 'Uma', 'Viktor', 'Wen', 'Zoe'] AS first,
    ARRAY['Abara', 'Adler', 'Baker', 'Bianchi', 'Carver', 'Chen', 'Costa', 'Dubois', 'Eriksen', 'Fischer',
      'Garcia', 'Haddad', 'Ito', 'Jansen', 'Kaya', 'Khan', 'Kowalski', 'Lopez', 'Martin', 'Mbeki', 'Meyer',
      'Moreau', 'Nakamura', 'Nguyen', 'Novak', 'OBrien', 'Okafor', 'Patel', 'Petrov', 'Rossi', 'Santos',
      'Silva', 'Smith', 'Tanaka', 'Walker', 'Weber'] AS last
), people AS (
  SELECT n,
    first[1 + floor(random() * array_length(first, 1))::int] AS first,
    last[1 + floor(random() * array_length(last, 1))::int] AS last
  FROM names, generate_series(1, 5000) AS n
)
INSERT INTO ledger.customers (name, email, card_number, tax_id, since)
SELECT
  first || ' ' || last,
  lower(first || '.' || last || '.' || n) || '@example.com',
  pg_temp.with_check_digit('400000' || lpad(floor(random() * 1e9)::bigint::text, 9, '0')),
  format('9%s-%s-%s', lpad((n % 100)::text, 2, '0'), 70 + (n / 100) % 19, lpad((1000 + n)::text, 4, '0')),
  date '2015-01-01' + floor(random() * 4000)::int
FROM people
ORDER BY n;

INSERT INTO ledger.accounts (number, kind) VALUES ('BANK-CASH', 'cash'), ('BANK-INTEREST', 'interest');

INSERT INTO ledger.accounts (customer_id, number, kind)
SELECT id, 'CHK-' || lpad(id::text, 8, '0'), 'checking' FROM ledger.customers ORDER BY id;

INSERT INTO ledger.accounts (customer_id, number, kind)
SELECT id, 'SAV-' || lpad(id::text, 8, '0'), 'savings' FROM ledger.customers WHERE id % 2 = 0 ORDER BY id;

INSERT INTO ledger.transactions (posted_at, description)
SELECT
  timestamptz '2026-07-01 00:00:00+00' + n * interval '2 minutes',
  (ARRAY['Card payment', 'Transfer', 'Cash deposit', 'Salary', 'Rent'])[1 + n % 5]
FROM generate_series(0, 59999) AS n
ORDER BY n;

-- Two entries each: what one account loses, another gains.
WITH postings AS (
  SELECT id,
    1 + floor(random() * 7502)::bigint AS payer,
    1 + floor(random() * 7501)::bigint AS payee,
    round((1 + random() * 2500)::numeric, 2) AS amount
  FROM ledger.transactions
)
INSERT INTO ledger.entries (transaction_id, account_id, amount)
SELECT id, CASE side WHEN 1 THEN payer WHEN 2 THEN payee + (payee >= payer)::int END,
  CASE side WHEN 1 THEN -amount ELSE amount END
FROM postings, generate_series(1, 2) AS side
ORDER BY id, side;

CREATE INDEX entries_transaction ON ledger.entries (transaction_id);
CREATE INDEX entries_account ON ledger.entries (account_id);

-- The first rule of double entry, checked when a transaction commits.
CREATE FUNCTION ledger.check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  off numeric;
BEGIN
  SELECT sum(amount) INTO off FROM ledger.entries
    WHERE transaction_id = coalesce(NEW.transaction_id, OLD.transaction_id);
  IF off <> 0 THEN
    RAISE EXCEPTION 'transaction % does not balance: its entries sum to %',
      coalesce(NEW.transaction_id, OLD.transaction_id), off
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER entries_balance
  AFTER INSERT OR UPDATE OR DELETE ON ledger.entries
  DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ledger.check_balance();

CREATE VIEW ledger.balances AS
SELECT a.id AS account_id, a.number, a.kind, coalesce(sum(e.amount), 0) AS balance
FROM ledger.accounts AS a LEFT JOIN ledger.entries AS e ON e.account_id = a.id
GROUP BY a.id;

CREATE TABLE hr.salaries (
  employee_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  title text NOT NULL,
  yearly_amount numeric(12, 2) NOT NULL CHECK (yearly_amount > 0)
);

INSERT INTO hr.salaries (name, title, yearly_amount)
SELECT name,
  (ARRAY['Teller', 'Analyst', 'Engineer', 'Manager', 'Auditor'])[1 + floor(random() * 5)::int],
  round((38000 + random() * 120000)::numeric, -2)
FROM ledger.customers
WHERE id <= 240
ORDER BY id;

ANALYZE;
