# psycopg 3: one transcript of JSON lines, the same directly and through Postern.
import json
import logging
import sys
import threading

import psycopg

print(f"psycopg {psycopg.__version__}, libpq {psycopg.pq.version()}", file=sys.stderr)


def emit(step, value):
    print(json.dumps({"step": step, "value": value}, default=repr), flush=True)


def failure(step, run):
    try:
        run()
        emit(step, "it succeeded")
    except psycopg.Error as error:
        emit(step, error.sqlstate)


conn = psycopg.connect("", autocommit=True)
cur = conn.cursor()
emit("connect", [conn.info.parameter_status(name) for name in ("server_version", "client_encoding", "standard_conforming_strings")])

if psycopg.pq.version() >= 180000:
    # 30000 or 30002: as asked for with PGMAXPROTOCOLVERSION.
    emit("connect", conn.info.full_protocol_version)

for binary in (False, True):
    typed = conn.cursor(binary=binary)
    typed.execute("select * from conf.types order by id")
    emit("types", [[column.name, column.type_code] for column in typed.description])
    for row in typed:
        emit("types", row)

cur.execute(
    "select %s::text, %s::bytea, %s::int[], %s::numeric, %s::jsonb, %s::timestamptz, %t::text, %b::int8",
    (None, b"\x00\xff\\", [1, None, 3], "1e-20", '{"k": [null]}', "2024-03-31 01:30:00+00", "", 7),
)
emit("parameters", cur.fetchone())

large = "x\u00e9" * 1_500_000
cur.execute("select %s::text as t, length(%s::text), %s::bytea", (large, large, bytes(range(256)) * 8192))
text, length, blob = cur.fetchone()
emit("large", [text == large, length, blob == bytes(range(256)) * 8192])

for n in range(12):
    cur.execute("select label from conf.numbers where n = %s", (n + 1,), prepare=True)
    emit("prepared", cur.fetchone())

with conn.pipeline():
    cursors = [conn.execute("select square from conf.numbers where n = %s", (n,)) for n in range(1, 40)]
    emit("pipeline", [one.fetchone()[0] for one in cursors])


def broken_pipeline():
    with conn.pipeline():
        conn.execute("insert into conf.scratch values (1, 'pipeline')")
        conn.execute("select 1 / 0")
        conn.execute("insert into conf.scratch values (2, 'pipeline')")


# Whether the end of the pipeline meets the error a second time, and warns of it, depends on when it came the first time.
logging.getLogger("psycopg").setLevel(logging.ERROR)
failure("pipeline error", broken_pipeline)
cur.execute("select id, v from conf.scratch order by id")
emit("pipeline error", cur.fetchall())

cur.executemany("insert into conf.scratch (id, v) values (%s, %s)", [(n, f"batch {n}") for n in range(100, 200)])
emit("batch", cur.rowcount)
cur.executemany("insert into conf.scratch (id, v) values (%s, %s) returning id", [(300, "a"), (301, None)], returning=True)
emit("batch", cur.fetchall())

with conn.transaction():
    with conn.cursor(name="walk") as walk:
        walk.itersize = 100
        walk.execute("select n from conf.numbers order by n")
        emit("cursor", sum(row[0] for row in walk))
    with conn.cursor(name="jump", scrollable=True) as jump:
        jump.execute("select n, label from conf.numbers order by n")
        jump.scroll(500)
        emit("cursor", jump.fetchone())
        jump.scroll(-400)
        emit("cursor", jump.fetchmany(3))

with cur.copy("copy conf.scratch (id, v, b) from stdin") as copy:
    for n in range(1000, 21000):
        copy.write_row((n, None if n % 10 == 0 else "v" * (n % 200), b"\x00\x0a"))
emit("copy in", cur.rowcount)
with cur.copy("copy conf.scratch (id, v) from stdin with (format binary)") as copy:
    copy.set_types(["int4", "text"])
    for n in range(30000, 31000):
        copy.write_row((n, str(n)))
emit("copy in", cur.rowcount)
with cur.copy("copy (select id, v from conf.scratch where id between 1000 and 1400 order by id) to stdout") as copy:
    emit("copy out", [row for row in copy.rows()])
with cur.copy("copy conf.numbers to stdout with (format csv, header)") as copy:
    emit("copy out", sum(len(data) for data in copy))


def broken_copy():
    with cur.copy("copy conf.scratch (id) from stdin") as copy:
        copy.write_row((50000,))
        raise psycopg.errors.DataError("given up")


failure("copy abandoned", broken_copy)


def refused_copy():
    with cur.copy("copy conf.scratch (id) from stdin") as copy:
        copy.write("x\n")


failure("copy refused", refused_copy)

with conn.transaction():
    cur.execute("update conf.scratch set v = 'kept' where id = 100")
    try:
        with conn.transaction("inner"):
            cur.execute("update conf.scratch set v = 'lost' where id = 100")
            cur.execute("insert into conf.scratch (id) values (100)")
    except psycopg.errors.UniqueViolation as error:
        emit("savepoint", [error.sqlstate, error.diag.constraint_name, error.diag.message_detail])
cur.execute("select v from conf.scratch where id = 100")
emit("savepoint", cur.fetchone())

failure("error", lambda: cur.execute("select * from conf.nowhere"))
failure("error", lambda: cur.execute("select 1 / %s", (0,)))
failure("error", lambda: cur.execute("select 'x'::int"))
failure("error", lambda: cur.execute("selec"))
failure("refused", lambda: cur.execute("select n from hidden.secret"))
failure("refused", lambda: cur.execute("select n from hidden.secret where n = %s", (1,)))
conn.autocommit = False
cur.execute("select 1")
failure("refused in a transaction", lambda: cur.execute("select n from hidden.secret"))
failure("refused in a transaction", lambda: cur.execute("select 1"))
emit("refused in a transaction", conn.info.transaction_status.name)
conn.rollback()
conn.autocommit = True

threading.Timer(1, conn.cancel).start()
failure("cancel", lambda: cur.execute("select pg_sleep(60)"))
cur.execute("select 1")
emit("cancel", cur.fetchone())

conn.add_notify_handler(lambda note: emit("notify", [note.channel, note.payload]))
cur.execute("listen conformance")
cur.execute("notify conformance, 'payload'")
cur.execute("select conf.add(1, 2), array_agg(n order by n) from conf.evens where n < 10")
emit("function", cur.fetchone())
conn.close()
emit("end", conn.closed)
