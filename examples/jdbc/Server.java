import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Map;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Plain JDBC behind the JDK's own HTTP server: orders for whoever has a key, and keys for whoever has the operator's
 * token. PostgreSQL writes and reads the JSON.
 *
 * <pre>
 * JDBC_URL='jdbc:postgresql://host/shop?user=shop_gateway&password=...' ADMIN_JDBC_URL='...shop_admin...' \
 * OPERATOR_TOKEN=... PORT=8080 java -cp /usr/share/java/postgresql.jar Server.java
 * </pre>
 */
public class Server {
    /** What is done inside of a transaction; gives the body of the response. */
    interface Work {
        String run(Connection connection) throws SQLException;
    }

    /** A request that was not valid: what the client is told. */
    static class Refused extends RuntimeException {
        static final Map<Integer, String> TEXT = Map.of(401, "unauthorized", 403, "forbidden", 429, "too many requests");
        final int status;

        Refused(int status) {
            super(TEXT.get(status));
            this.status = status;
        }
    }

    /** One transaction; use a pool (DataSource) instead of DriverManager. */
    static String transaction(String url, Work work) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url)) {
            connection.setAutoCommit(false);
            String body = work.run(connection); // what is thrown here closes, and so rolls back
            connection.commit();
            return body;
        }
    }

    /** One transaction for the key that came with the request; its row-level security goes by that key. */
    static String asKey(HttpExchange exchange, String api, Work work) throws SQLException {
        return transaction(System.getenv("JDBC_URL"), connection -> {
            String credentials = exchange.getRequestHeaders().getFirst("Authorization");
            if (credentials == null || credentials.isEmpty()) {
                credentials = exchange.getRequestHeaders().getFirst("X-API-Key");
            }
            try (PreparedStatement statement = connection.prepareStatement(
                    "SELECT v.valid, v.http_status, h.names, h.contents"
                    + " FROM apikeys.authenticate(?, ?, ?) AS v, LATERAL"
                    + " (SELECT pg_catalog.array_agg(e.key) AS names, pg_catalog.array_agg(e.value) AS contents"
                    + " FROM pg_catalog.jsonb_each_text(apikeys.response_headers(v)) AS e) AS h")) {
                statement.setString(1, credentials);
                statement.setString(2, api);
                statement.setString(3, exchange.getRemoteAddress().getAddress().getHostAddress());
                ResultSet verdict = statement.executeQuery();
                verdict.next();
                if (verdict.getArray("names") != null) {
                    String[] names = (String[]) verdict.getArray("names").getArray();
                    String[] contents = (String[]) verdict.getArray("contents").getArray();
                    for (int i = 0; i < names.length; i++) {
                        exchange.getResponseHeaders().set(names[i], contents[i]);
                    }
                }
                if (!verdict.getBoolean("valid")) {
                    throw new Refused(verdict.getInt("http_status"));
                }
            }
            return work.run(connection);
        });
    }

    /** Management: another role of the database, and an operator, never a key. The token stands for your sign-in. */
    static String asOperator(HttpExchange exchange, Work work) throws SQLException {
        String token = exchange.getRequestHeaders().getFirst("X-Operator-Token");
        if (token == null || !MessageDigest.isEqual(token.getBytes(StandardCharsets.UTF_8),
                System.getenv("OPERATOR_TOKEN").getBytes(StandardCharsets.UTF_8))) {
            throw new Refused(401);
        }
        return transaction(System.getenv("ADMIN_JDBC_URL"), connection -> {
            query(connection, "SELECT apikeys.act_as(?)", "ann@example.com"); // who it is in the audit log
            return work.run(connection);
        });
    }

    /** The first value that a statement gives. */
    static String query(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            ResultSet result = statement.executeQuery();
            result.next();
            return result.getString(1);
        }
    }

    static String orders(HttpExchange exchange) throws SQLException {
        return asKey(exchange, "data", connection -> query(connection,
            "SELECT pg_catalog.json_build_object('orders', COALESCE(pg_catalog.json_agg(o ORDER BY o.order_id), '[]'))"
            + " FROM (SELECT order_id, item FROM shop.orders) AS o"));
    }

    static String createKey(HttpExchange exchange) throws SQLException, IOException {
        String wanted = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        return asOperator(exchange, connection -> query(connection,
            "SELECT pg_catalog.json_build_object('key_id', k.key_id, 'name', k.name, 'key', k.key)"
            + " FROM pg_catalog.json_to_record(?::pg_catalog.json) AS w(name text, apis text[], workspace text),"
            + " apikeys.create_key(w.name, w.apis, workspace => w.workspace) AS k", wanted));
    }

    static String archiveKey(HttpExchange exchange, String keyId) throws SQLException {
        return asOperator(exchange, connection -> query(connection,
            "SELECT pg_catalog.json_build_object('key_id', k.key_id, 'state', k.state)"
            + " FROM apikeys.archive_key(?::pg_catalog.uuid) AS k", keyId));
    }

    /** SQLSTATE to HTTP; of class 22 (a bad value) all are 400. */
    static int status(SQLException error) {
        String state = error.getSQLState() == null ? "" : error.getSQLState();
        if (state.startsWith("22")) {
            return 400;
        }
        return Map.of("42704", 404, "42501", 403, "23514", 400,
            "23505", 409, "42710", 409, "2BP01", 409, "55000", 409, "40001", 409).getOrDefault(state, 500);
    }

    static String json(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    static void handle(HttpExchange exchange) throws IOException {
        String route = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
        int status = 200;
        String body;
        try {
            if (route.equals("GET /orders")) {
                body = orders(exchange);
            } else if (route.equals("POST /keys")) {
                body = createKey(exchange);
                status = 201;
            } else if (route.startsWith("DELETE /keys/")) {
                body = archiveKey(exchange, route.substring("DELETE /keys/".length()));
            } else {
                status = 404;
                body = "{\"error\":\"not found\"}";
            }
        } catch (Refused refused) {
            status = refused.status;
            body = "{\"error\":" + json(refused.getMessage()) + "}";
        } catch (SQLException error) {
            status = status(error);
            ServerErrorMessage told = error instanceof PSQLException ? ((PSQLException) error).getServerErrorMessage() : null;
            if (status == 500 || told == null) {
                System.err.println(error);
                body = "{\"error\":\"internal error\"}";
            } else { // its messages are for people, and quote no secret
                body = "{\"error\":" + json(told.getMessage()) + ",\"hint\":" + json(told.getHint())
                    + ",\"field\":" + json(told.getColumn()) + "}";
            }
        }
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", Server::handle);
        server.start();
    }
}
