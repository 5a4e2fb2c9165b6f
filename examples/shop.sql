-- The database of all examples: two tenants, one table, a role for requests and one for management.
-- Run it as a superuser in a database that has the extension.

SELECT apikeys.create_workspace('acme', prefix => 'acme');
SELECT apikeys.create_workspace('globex', prefix => 'globex');

-- What faces the clients may validate keys and read orders; only the other role may manage keys.
CREATE ROLE shop_gateway LOGIN;
CREATE ROLE shop_admin LOGIN;
SELECT apikeys.grant_access('shop_gateway', 'validate');
SELECT apikeys.grant_access('shop_admin', 'manage');

CREATE SCHEMA shop;
CREATE TABLE shop.orders (
	order_id integer PRIMARY KEY,
	workspace text NOT NULL,
	item text NOT NULL
);
INSERT INTO shop.orders VALUES (1, 'acme', 'an anvil'), (2, 'globex', 'a box'), (3, 'acme', 'a rocket');

-- The rows of the current key's workspace, if that key may call the API "data"; without a key, none.
CREATE POLICY by_key ON shop.orders
	USING (workspace = apikeys.current_workspace() AND apikeys.current_key_allows('data'));
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA shop TO shop_gateway;
GRANT SELECT ON shop.orders TO shop_gateway;
