# ODBC (psqlodbc through unixODBC and pyodbc): one transcript of JSON lines, the same directly and through Postern.
import json
import os
import sys
import threading

import pyodbc


def emit(step, value):
    print(json.dumps({"step": step, "value": value}, default=repr), flush=True)


def failure(step, run):
    try:
        run()
        emit(step, "it succeeded")
    except pyodbc.Error as error:
        emit(step, error.args[0])


# psqlodbc takes the certificate authority from where libpq does: PGSSLROOTCERT.
WORDS = "Driver={{PostgreSQL Unicode}};Server={PGHOST};Port={PGPORT};Database={PGDATABASE};Uid={PGUSER};Pwd={PGPASSWORD};SSLmode=verify-full"


def connect(more=""):
    return pyodbc.connect(WORDS.format(**os.environ) + more, autocommit=True)


conn = connect()
print(f"pyodbc {pyodbc.version}, psqlodbc {conn.getinfo(pyodbc.SQL_DRIVER_VER)}", file=sys.stderr)
cur = conn.cursor()
emit("connect", [conn.getinfo(pyodbc.SQL_DBMS_NAME), conn.getinfo(pyodbc.SQL_DBMS_VER)])
cur.execute("select * from conf.types order by id")
emit("types", [column[:2] + column[3:] for column in cur.description])
for row in cur.fetchall():
    emit("types", list(row))
cur.execute("select ?::text, ?::bytea, ?::numeric, ?::int, ?::text", None, b"\x00\xff\\", "1e-20", 7, "it's \\ a ?")
emit("parameters", list(cur.fetchone()))
large = "x\u00e9" * 300_000
cur.execute("select length(?::text), repeat('y', 2000000)", large)
length, text = cur.fetchone()
emit("large", [length, len(text)])
for n in range(1, 6):
    cur.execute("select label from conf.numbers where n = ?", n)
    emit("prepared", list(cur.fetchone()))
failure("prepared", lambda: cur.execute("select 1 / ?::int", 0))
cur.execute("select 1 / ?::int", 1)
emit("prepared", list(cur.fetchone()))
cur.executemany("insert into conf.scratch (id, v) values (?, ?)", [(n, f"batch {n}") for n in range(100, 200)])
cur.execute("select count(*) from conf.scratch; select 2")
emit("batch", [list(cur.fetchone()), cur.nextset(), list(cur.fetchone())])

with connect(";UseDeclareFetch=1;Fetch=100") as fetching:
    walk = fetching.cursor()
    fetching.autocommit = False
    walk.execute("select n from conf.numbers order by n")
    emit("cursor", sum(row[0] for row in walk))
    fetching.rollback()

conn.autocommit = False
cur.execute("update conf.scratch set v = 'kept' where id = 100")
cur.execute("savepoint inner_one")
failure("savepoint", lambda: cur.execute("insert into conf.scratch (id) values (100)"))
cur.execute("rollback to savepoint inner_one")
cur.execute("select v from conf.scratch where id = 100")
emit("savepoint", list(cur.fetchone()))
conn.commit()
failure("refused in a transaction", lambda: cur.execute("select n from hidden.secret"))
conn.rollback()
conn.autocommit = True
failure("error", lambda: cur.execute("select * from conf.nowhere"))
failure("error", lambda: cur.execute("select 1 / 0"))
failure("error", lambda: cur.execute("selec"))
failure("refused", lambda: cur.execute("select n from hidden.secret"))
failure("refused", lambda: cur.execute("select n from hidden.secret where n = ?", 1))

sleeper = conn.cursor()
threading.Timer(1, sleeper.cancel).start()
failure("cancel", lambda: sleeper.execute("select pg_sleep(60)"))
cur.execute("select 1")
emit("cancel", list(cur.fetchone()))

# What ODBC applications ask of the catalogue.
emit("metadata", [list(row)[1:] for row in cur.tables(schema="conf").fetchall()])
emit("metadata", [[row.column_name, row.type_name, row.column_size, row.nullable] for row in cur.columns(schema="conf", table="types").fetchall()])
emit("metadata", [[row.column_name, row.pk_name] for row in cur.primaryKeys(table="children", schema="plain").fetchall()])
emit("metadata", [[row.fktable_name, row.fkcolumn_name] for row in cur.foreignKeys(table="parents", schema="plain").fetchall()])
emit("metadata", [[row.index_name, row.column_name] for row in cur.statistics("children", schema="plain").fetchall()])
emit("metadata", [row.procedure_name for row in cur.procedures(schema="conf").fetchall()])
emit("metadata", len(cur.getTypeInfo().fetchall()))
conn.close()
emit("end", True)
