// JDBC (pgjdbc): one transcript of JSON lines, the same directly and through Postern.
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

public class Jdbc {
  interface Work {
    void run() throws Exception;
  }

  static void emit(String step, Object value) {
    String text = String.valueOf(value);
    StringBuilder line = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') line.append('\\').append(c);
      else if (c < ' ' || c > '~') line.append(String.format("\\u%04x", (int) c));
      else line.append(c);
    }
    System.out.println("{\"step\": \"" + step + "\", \"value\": \"" + line + "\"}");
  }

  static void failure(String step, Work work) throws Exception {
    try {
      work.run();
      emit(step, "it succeeded");
    } catch (SQLException error) {
      emit(step, error.getSQLState());
    }
  }

  static Object plain(Object value) throws SQLException {
    if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
    if (value instanceof Array array) return Arrays.deepToString((Object[]) array.getArray());
    return value;
  }

  static List<List<Object>> rows(ResultSet result) throws SQLException {
    List<List<Object>> all = new ArrayList<>();
    while (result.next()) {
      List<Object> row = new ArrayList<>();
      for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) row.add(plain(result.getObject(i)));
      all.add(row);
    }
    return all;
  }

  static Connection connect(String more) throws SQLException {
    Properties who = new Properties();
    who.setProperty("user", System.getenv("PGUSER"));
    who.setProperty("password", System.getenv("PGPASSWORD"));
    // A slash in the name of the database would be one of the URL.
    String database = URLEncoder.encode(System.getenv("PGDATABASE"), StandardCharsets.UTF_8);
    String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + database;
    return DriverManager.getConnection(url + "?sslmode=verify-full&sslrootcert=" + System.getenv("PGSSLROOTCERT") + more, who);
  }

  public static void main(String[] arguments) throws Exception {
    try (Connection db = connect("")) {
      DatabaseMetaData about = db.getMetaData();
      System.err.println("pgjdbc " + about.getDriverVersion() + ", Java " + System.getProperty("java.version"));
      emit("connect", about.getDatabaseProductVersion() + " " + db.getTransactionIsolation() + " " + db.getSchema());
      types(db);
      statements(db);
      transactions(db);
      copy(db);
      cancel(db);
      metadata(db);
    }
    for (String mode : new String[] {"simple", "extendedForPrepared", "extendedCacheEverything"}) {
      try (Connection db = connect("&preferQueryMode=" + mode)) {
        PreparedStatement echo = db.prepareStatement("select label, ?::text from conf.numbers where n = ?");
        for (int n = 1; n < 8; n++) {
          echo.setString(1, "it's \\ a '' $1 ?");
          echo.setInt(2, n);
          emit("query mode " + mode, rows(echo.executeQuery()));
        }
        failure("query mode " + mode, () -> db.createStatement().executeQuery("select n from hidden.secret"));
      }
    }
    emit("end", true);
  }

  static void types(Connection db) throws Exception {
    // The driver asks for binary results after a statement has been used five times.
    PreparedStatement all = db.prepareStatement("select * from conf.types order by id");
    for (int use = 0; use < 7; use++) {
      ResultSet result = all.executeQuery();
      ResultSetMetaData columns = result.getMetaData();
      for (int i = 1; use == 0 && i <= columns.getColumnCount(); i++) {
        emit("types", columns.getColumnName(i) + " " + columns.getColumnTypeName(i) + " " + columns.getPrecision(i) + " " + columns.getTableName(i)
            + " " + columns.isAutoIncrement(i) + " " + columns.isNullable(i));
      }
      emit("types", rows(result));
    }
    PreparedStatement echo = db.prepareStatement("select ?::text, ?::bytea, ?::int[], ?::numeric, ?::jsonb, ?::timestamptz, ?::text");
    echo.setNull(1, Types.VARCHAR);
    echo.setBytes(2, new byte[] {0, (byte) 255, 92});
    echo.setArray(3, db.createArrayOf("int4", new Integer[] {1, null, 3}));
    echo.setBigDecimal(4, new java.math.BigDecimal("1e-20"));
    echo.setString(5, "{\"k\": [null]}");
    echo.setObject(6, java.time.OffsetDateTime.parse("2024-03-31T01:30:00Z"));
    echo.setString(7, "");
    emit("parameters", rows(echo.executeQuery()));
    String large = "x\u00e9".repeat(1_000_000);
    PreparedStatement big = db.prepareStatement("select ?::text, length(?::text)");
    big.setString(1, large);
    big.setString(2, large);
    ResultSet result = big.executeQuery();
    result.next();
    emit("large", result.getString(1).equals(large) + " " + result.getInt(2));
  }

  static void statements(Connection db) throws Exception {
    PreparedStatement byNumber = db.prepareStatement("select label from conf.numbers where n = ?");
    for (int n = 1; n <= 12; n++) {
      byNumber.setInt(1, n);
      emit("prepared", rows(byNumber.executeQuery()));
    }
    PreparedStatement insert = db.prepareStatement("insert into conf.scratch (id, v) values (?, ?)");
    for (int n = 100; n < 400; n++) {
      insert.setInt(1, n);
      insert.setString(2, n % 10 == 0 ? null : "batch " + n);
      insert.addBatch();
    }
    emit("batch", Arrays.toString(insert.executeBatch()));
    for (int n : new int[] {1, 100, 2}) {
      insert.setInt(1, n);
      insert.setString(2, "broken");
      insert.addBatch();
    }
    try {
      insert.executeBatch();
    } catch (BatchUpdateException error) {
      emit("batch", error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts()));
    }
    emit("batch", rows(db.createStatement().executeQuery("select id, v from conf.scratch where id < 103 order by id")));
    PreparedStatement keys = db.prepareStatement("insert into plain.parents (name) values (?)", Statement.RETURN_GENERATED_KEYS);
    keys.setString(1, "made by JDBC");
    keys.executeUpdate();
    emit("batch", rows(keys.getGeneratedKeys()));
    Statement several = db.createStatement();
    several.execute("select 1; update conf.scratch set v = 'x' where id = 101; select 2, 3");
    emit("batch", rows(several.getResultSet()) + " " + several.getMoreResults() + " " + several.getUpdateCount() + " " + several.getMoreResults()
        + " " + rows(several.getResultSet()));
    emit("function", rows(db.prepareCall("select conf.add(1, 2)").executeQuery()));
  }

  static void transactions(Connection db) throws Exception {
    db.setAutoCommit(false);
    PreparedStatement walk = db.prepareStatement("select n from conf.numbers order by n");
    walk.setFetchSize(100);
    long sum = 0;
    for (ResultSet result = walk.executeQuery(); result.next(); ) sum += result.getInt(1);
    emit("cursor", sum);
    db.commit();
    db.createStatement().executeUpdate("update conf.scratch set v = 'kept' where id = 100");
    Savepoint inner = db.setSavepoint("inner one");
    failure("savepoint", () -> db.createStatement().executeUpdate("insert into conf.scratch (id) values (100)"));
    failure("savepoint", () -> db.createStatement().executeQuery("select 1"));
    db.rollback(inner);
    db.commit();
    emit("savepoint", rows(db.createStatement().executeQuery("select v from conf.scratch where id = 100")));
    failure("refused in a transaction", () -> db.createStatement().executeQuery("select n from hidden.secret"));
    failure("refused in a transaction", () -> db.createStatement().executeQuery("select 1"));
    db.rollback();
    db.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    db.setReadOnly(true);
    failure("read only", () -> db.createStatement().executeUpdate("delete from conf.scratch where id = 100"));
    db.rollback();
    db.setReadOnly(false);
    db.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    db.setAutoCommit(true);
    failure("error", () -> db.createStatement().executeQuery("select * from conf.nowhere"));
    failure("error", () -> db.createStatement().executeQuery("select 1 / 0"));
    failure("error", () -> db.createStatement().executeQuery("selec"));
    failure("refused", () -> db.createStatement().executeQuery("select n from hidden.secret"));
    failure("refused", () -> {
      PreparedStatement secret = db.prepareStatement("select n from hidden.secret where n = ?");
      secret.setInt(1, 1);
      secret.executeQuery();
    });
  }

  static void copy(Connection db) throws Exception {
    CopyManager manager = db.unwrap(PGConnection.class).getCopyAPI();
    StringBuilder input = new StringBuilder();
    for (int n = 1000; n < 21000; n++) input.append(n).append('\t').append("v".repeat(n % 200)).append('\n');
    emit("copy in", manager.copyIn("copy conf.scratch (id, v) from stdin", new StringReader(input.toString())));
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    emit("copy out", manager.copyOut("copy (select id, v from conf.scratch where id between 1000 and 1200 order by id) to stdout csv header", output));
    emit("copy out", output.toString(StandardCharsets.UTF_8));
    failure("copy refused", () -> manager.copyIn("copy conf.scratch (id) from stdin", new StringReader("x\n")));
  }

  static void cancel(Connection db) throws Exception {
    Statement asleep = db.createStatement();
    Thread canceller = new Thread(() -> {
      try {
        Thread.sleep(1000);
        asleep.cancel();
      } catch (Exception error) {
        emit("cancel", error);
      }
    });
    canceller.start();
    failure("cancel", () -> asleep.executeQuery("select pg_sleep(60)"));
    canceller.join();
    asleep.setQueryTimeout(1);
    failure("cancel", () -> asleep.executeQuery("select pg_sleep(60)"));
    emit("cancel", rows(db.createStatement().executeQuery("select 1")));
    db.createStatement().execute("listen conformance");
    db.createStatement().execute("notify conformance, 'payload'");
    var notes = db.unwrap(PGConnection.class).getNotifications(2000);
    emit("notify", notes[0].getName() + " " + notes[0].getParameter());
  }

  /** What tools on JDBC ask of the catalogue. */
  static void metadata(Connection db) throws Exception {
    DatabaseMetaData about = db.getMetaData();
    emit("metadata", rows(about.getSchemas()));
    emit("metadata", rows(about.getTables(null, "conf", null, null)));
    emit("metadata", rows(about.getColumns(null, "conf", "types", null)));
    emit("metadata", rows(about.getPrimaryKeys(null, "conf", "numbers")));
    emit("metadata", rows(about.getImportedKeys(null, "plain", "children")));
    emit("metadata", rows(about.getIndexInfo(null, "plain", "children", false, false)));
    emit("metadata", rows(about.getProcedures(null, "conf", null)) + "" + rows(about.getFunctions(null, "conf", null)));
    emit("metadata", rows(about.getFunctionColumns(null, "conf", "add", null)));
    emit("metadata", rows(about.getTypeInfo()).size());
    emit("metadata", rows(about.getTablePrivileges(null, "conf", "scratch")).size());
    emit("metadata", rows(about.getUDTs(null, "conf", null, null)) + " " + about.getMaxColumnNameLength() + " " + about.getSQLKeywords().length());
  }
}
