# psycopg 2: one transcript of JSON lines, the same directly and through Postern.
import io
import json
import sys
import threading

import psycopg2
import psycopg2.extensions
import psycopg2.extras

print(f"psycopg2 {psycopg2.__version__}, libpq {psycopg2.__libpq_version__}", file=sys.stderr)


def emit(step, value):
    print(json.dumps({"step": step, "value": value}, default=lambda v: repr(bytes(v)) if isinstance(v, memoryview) else repr(v)), flush=True)


def failure(step, run):
    try:
        run()
        emit(step, "it succeeded")
    except psycopg2.Error as error:
        emit(step, error.pgcode)


conn = psycopg2.connect("")
conn.autocommit = True
cur = conn.cursor()
emit("connect", [conn.server_version, conn.encoding, conn.get_parameter_status("standard_conforming_strings")])

cur.execute("select * from conf.types order by id")
emit("types", [[column.name, column.type_code] for column in cur.description])
for row in cur:
    emit("types", row)
cur.execute(
    "select %s::text, %s::bytea, %s::int[], %s::numeric, %s::jsonb, %s::timestamptz, %s",
    (None, b"\x00\xff\\", [1, None, 3], "1e-20", psycopg2.extras.Json({"k": [None]}), "2024-03-31 01:30:00+00", "it's \\ a %"),
)
emit("parameters", cur.fetchone())
large = "x\u00e9" * 600_000
cur.execute("select repeat(%s, 3) = %s, length(repeat('y', 5000000))", ("xy", "xyxyxy"))
emit("large", cur.fetchone())
cur.execute("select repeat('x', 3000000)")
emit("large", len(cur.fetchone()[0]))

cur.execute("prepare by_number (int) as select label from conf.numbers where n = $1")
for n in range(1, 6):
    cur.execute("execute by_number (%s)", (n,))
    emit("prepared", cur.fetchone())
cur.execute("deallocate by_number")

psycopg2.extras.execute_values(cur, "insert into conf.scratch (id, v) values %s", [(n, f"batch {n}") for n in range(100, 400)], page_size=50)
psycopg2.extras.execute_batch(cur, "update conf.scratch set v = %s where id = %s", [(f"page {n}", n) for n in range(100, 200)], page_size=25)
cur.execute("select count(*), count(*) filter (where v like 'page%') from conf.scratch")
emit("batch", cur.fetchone())

conn.autocommit = False
with conn.cursor("walk") as walk:
    walk.itersize = 100
    walk.execute("select n from conf.numbers order by n")
    emit("cursor", sum(row[0] for row in walk))
with conn.cursor("jump", scrollable=True) as jump:
    jump.execute("select n, label from conf.numbers order by n")
    jump.scroll(500)
    emit("cursor", jump.fetchone())
    jump.scroll(-400)
    emit("cursor", jump.fetchmany(3))
conn.commit()
with conn.cursor("held", withhold=True) as held:
    held.execute("select n from conf.numbers order by n limit 5")
    conn.commit()
    emit("cursor", held.fetchall())
conn.commit()
conn.autocommit = True

rows = io.StringIO("".join(f"{n}\t{'v' * (n % 200)}\t\\\\x000a\n" for n in range(1000, 21000)))
cur.copy_expert("copy conf.scratch (id, v, b) from stdin", rows)
emit("copy in", cur.rowcount)
out = io.StringIO()
cur.copy_expert("copy (select id, v, b from conf.scratch where id between 1000 and 1200 order by id) to stdout with csv header", out)
emit("copy out", out.getvalue())
failure("copy refused", lambda: cur.copy_expert("copy conf.scratch (id) from stdin", io.StringIO("x\n")))

conn.autocommit = False
cur.execute("update conf.scratch set v = 'kept' where id = 100")
cur.execute("savepoint inner_one")
failure("savepoint", lambda: cur.execute("insert into conf.scratch (id) values (100)"))
failure("savepoint", lambda: cur.execute("select 1"))
cur.execute("rollback to savepoint inner_one")
cur.execute("select v from conf.scratch where id = 100")
emit("savepoint", cur.fetchone())
conn.commit()
failure("refused in a transaction", lambda: cur.execute("select n from hidden.secret"))
failure("refused in a transaction", lambda: cur.execute("select 1"))
emit("refused in a transaction", conn.info.transaction_status)
conn.rollback()
conn.autocommit = True
failure("error", lambda: cur.execute("select * from conf.nowhere"))
failure("error", lambda: cur.execute("select 1 / %s", (0,)))
failure("error", lambda: cur.execute("selec"))
failure("refused", lambda: cur.execute("select n from hidden.secret"))

threading.Timer(1, conn.cancel).start()
failure("cancel", lambda: cur.execute("select pg_sleep(60)"))
cur.execute("select 1")
emit("cancel", cur.fetchone())
emit("notices", conn.notices)
conn.close()
emit("end", conn.closed)
