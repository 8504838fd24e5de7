//! MariaDB.

use node::tasks::{TaskError, database::Engine};
use protocol::job::DumpFormat;
use tests::support::{DatabaseServer, Yard};

use super::{
    Asked,
    dies::{Then, dies_half_way},
    refuses_own, says_what_exists,
};

/// One of everything that a database can have.
const SHOP: &str = r"
SET SESSION sql_mode = '';
CREATE USER u1@localhost; CREATE USER 'gone'@'%'; CREATE USER 'd'@localhost;
CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german1_ci;
USE shop;
CREATE TABLE `été ``'x` (`clé` INT PRIMARY KEY AUTO_INCREMENT, t TEXT CHARACTER SET utf8mb4,
  UNIQUE KEY `q'` (t(20)));
INSERT INTO `été ``'x` VALUES (5, '🦀 l''été \\ \r\n\t\0 end'), (6, ''), (7, NULL), (0, 'NULL');
CREATE TABLE raw (id INT PRIMARY KEY, b LONGBLOB, v VARBINARY(300)) CHARACTER SET utf8mb4;
INSERT INTO raw SELECT 1, UNHEX(GROUP_CONCAT(LPAD(HEX(seq), 2, '0') ORDER BY seq SEPARATOR '')),
  UNHEX(GROUP_CONCAT(LPAD(HEX(255 - seq), 2, '0') ORDER BY seq SEPARATOR ''))
  FROM seq_0_to_255;
INSERT INTO raw VALUES (2, '', NULL), (3, NULL, ''), (4, REPEAT(x'00ff', 500000), '-- Dump completed');
CREATE TABLE kinds (i BIGINT UNSIGNED, d DECIMAL(65,30), f DOUBLE, day DATE, at DATETIME(6),
  stamp TIMESTAMP NULL, y YEAR, bits BIT(64), e ENUM('a','é',''), s SET('x','y'), j JSON,
  p POINT, u UUID, n INT GENERATED ALWAYS AS (i % 7) STORED, m INT AS (y + 1) VIRTUAL);
INSERT INTO kinds (i, d, f, day, at, stamp, y, bits, e, s, j, p, u) VALUES
 (18446744073709551615, 12345678901234567890123456789012345.123456789012345678901234567891,
  0.1e-300, '0000-00-00', '9999-12-31 23:59:59.999999', '1970-01-01 12:00:01', 2155,
  b'1000000000000000000000000000000000000000000000000000000000000001', 'é', 'x,y',
  JSON_OBJECT('k', '🦀'), POINT(1.5, -2), '123e4567-e89b-12d3-a456-426655440000'),
 (0, -0.000000000000000000000000000001, -1.7976931348623157e308, '2024-02-29',
  '0000-00-00 00:00:00', NULL, 1901, b'0', '', '', '[]', NULL, NULL);
CREATE TABLE parent (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES parent (id));
CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT `fk é` FOREIGN KEY (p) REFERENCES
  parent (id) ON DELETE CASCADE, CHECK (id < 1000));
INSERT INTO parent VALUES (1, NULL), (2, 1); INSERT INTO child VALUES (1, 1), (2, 2);
CREATE TABLE parts (id INT, at DATE) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10),
  PARTITION b VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, '2020-01-01'), (100, NULL);
CREATE SEQUENCE counter START WITH 77 INCREMENT BY 3; SELECT NEXTVAL(counter);
CREATE TABLE plain (a INT) ENGINE=MyISAM; INSERT INTO plain VALUES (1);
CREATE TABLE big (id INT PRIMARY KEY, word VARCHAR(80), KEY (word));
INSERT INTO big SELECT seq, CONCAT(MD5(seq), '-', SHA1(seq)) FROM seq_1_to_10000;
CREATE VIEW second AS SELECT id, up FROM parent;
DELIMITER //
CREATE FUNCTION plus_one(n INT) RETURNS INT DETERMINISTIC BEGIN RETURN n + 1; -- `'
END//
CREATE VIEW `a first` AS SELECT s.id, plus_one(s.id) AS n FROM second s//
CREATE DEFINER=d@localhost PROCEDURE count_all(OUT n INT) BEGIN SELECT COUNT(*) INTO n FROM big; END//
CREATE TRIGGER t_before BEFORE INSERT ON child FOR EACH ROW BEGIN SET NEW.id = NEW.id + 100; END//
CREATE TRIGGER t_after AFTER DELETE ON `été ``'x` FOR EACH ROW DELETE FROM plain WHERE a = 9//
CREATE EVENT `ev é` ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM plain//
DELIMITER ;
GRANT SELECT, INSERT ON shop.* TO u1@localhost WITH GRANT OPTION;
GRANT UPDATE (p), SELECT (id, p) ON shop.child TO u1@localhost;
GRANT EXECUTE ON FUNCTION shop.plus_one TO u1@localhost;
GRANT SELECT ON shop.* TO gone;
GRANT SELECT ON `sh%`.* TO d@localhost;
";

/// What makes the database again is compared with what was: rows in order, and definitions.
pub(super) fn state(server: &DatabaseServer, database: &str) -> Vec<(String, String)> {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let list = |sql: &str| -> Vec<String> {
        let said = server.sql(database, sql);
        let field = |line: &str| {
            let text = line.trim().strip_prefix("<field name=\"x\">")?.strip_suffix("</field>")?;
            Some(text.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&"))
        };
        said.lines().filter_map(field).collect()
    };
    let mut state = Vec::new();
    for (kind, from) in [
        ("TABLE", "TABLE_NAME AS x FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"),
        (
            "FUNCTION",
            "ROUTINE_NAME AS x FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = \
          'FUNCTION' AND ROUTINE_SCHEMA = DATABASE()",
        ),
        (
            "PROCEDURE",
            "ROUTINE_NAME AS x FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = \
          'PROCEDURE' AND ROUTINE_SCHEMA = DATABASE()",
        ),
        (
            "TRIGGER",
            "TRIGGER_NAME AS x FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = \
          DATABASE()",
        ),
        ("EVENT", "EVENT_NAME AS x FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"),
    ] {
        for name in list(&format!("SELECT {from} ORDER BY 1;")) {
            let made = server.sql(database, &format!("SHOW CREATE {kind} {};", quoted(&name)));
            // When a trigger was made is not part of it.
            let made = made.lines().filter(|line| !line.contains("name=\"Created\""));
            state.push((format!("{kind} {name}"), made.collect::<Vec<_>>().join("\n")));
            if kind == "TABLE" {
                let rows = format!("SELECT * FROM {0} ORDER BY 1;", quoted(&name));
                state.push((format!("rows {name}"), server.sql(database, &rows)));
            }
        }
    }
    state
}

#[track_caller]
pub(super) fn assert_same(first: &[(String, String)], second: &[(String, String)]) {
    let names = |all: &[(String, String)]| all.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(first), names(second));
    for ((name, was), (_, is)) in first.iter().zip(second) {
        assert!(was == is, "{name} differs:\n{was:.2000}\n----\n{is:.2000}");
    }
}

fn grants(server: &DatabaseServer) -> String {
    let all = server.sql("", "SHOW GRANTS FOR u1@localhost;");
    all.lines().filter(|line| line.contains("`shop`.")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mariadb_database_comes_back_as_it_was() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    let server = &asked.server;
    server.sql("", SHOP);
    let was = state(server, "shop");
    assert!(was.len() > 25, "{}", was.len());
    let rights = grants(server);
    assert_eq!(rights.lines().count(), 3, "{rights}");

    let (dump, warnings) = asked.dump("shop", DumpFormat::None);
    assert!(warnings.len() == 1 && warnings[0].contains("plain"), "{warnings:?}");
    assert_eq!(asked.dump("shop", DumpFormat::None).0, dump, "the same data, the same dump");
    assert!(!String::from_utf8_lossy(&dump).contains("IDENTIFIED"), "no hash of a password");

    // Into a new one, under a name that needs every care.
    for new in ["--help", "té `b x_%"] {
        let (created, warnings) = asked.load(new, &dump, false);
        assert!(created && warnings.is_empty(), "{warnings:?}");
        assert_same(&was, &state(server, new));
        assert!(asked.names().contains(&new.to_owned()));
        let again = asked.dump(new, DumpFormat::None).0;
        assert!(asked.load(new, &again, true) == (false, Vec::new()));
        assert_same(&was, &state(server, new));
        server.sql("", &format!("DROP DATABASE `{}`;", new.replace('`', "``")));
    }

    // Into the one that is there, changed, by whom is no more there.
    server.sql(
        "shop",
        "DROP TABLE child; DROP FUNCTION plus_one; DELETE FROM big; CREATE TABLE x (a INT);",
    );
    server
        .sql("", "REVOKE ALL ON shop.* FROM u1@localhost; DROP USER gone; DROP USER d@localhost;");
    let (created, warnings) = asked.load("shop", &dump, true);
    assert!(!created && warnings.len() == 2, "{warnings:?}");
    assert!(warnings[0].contains("gone@%") && warnings[1].contains("d@localhost"), "{warnings:?}");
    assert_same(&was, &state(server, "shop"));
    assert_eq!(grants(server), rights);
    assert!(server.client("shop", "INSERT INTO child VALUES (5, 99);").is_err(), "the key holds");
    server.sql("shop", "DELETE FROM parent WHERE id = 2;");
    assert!(!server.sql("shop", "SELECT * FROM child;").contains(">2<"), "it cascades");
    assert_eq!(asked.names(), ["shop"]);

    // Every format, and the plain client, as the hook of an archive does it.
    for format in [DumpFormat::Gzip, DumpFormat::Bzip2, DumpFormat::Zstd] {
        let packed = asked.dump("shop", format).0;
        asked.try_load("packed", &mut packed.as_slice(), format, true).expect("loaded");
        assert_same(&state(server, "shop"), &state(server, "packed"));
    }
    let packet = server.sql("", "SELECT @@GLOBAL.max_allowed_packet;");
    assert!(packet.contains(">16777216<"), "it is set back: {packet}");
    server.sql("", "SET GLOBAL max_allowed_packet = 1073741824; CREATE DATABASE plain;");
    server.sql("plain", &String::from_utf8(dump).expect("it is UTF-8"));
    assert_eq!(state(server, "plain").len(), was.len());
}

#[test]
fn a_mariadb_dump_or_load_that_dies_half_way_is_an_error_and_destroys_nothing() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    asked.server.sql(
        "",
        // What is committed outlives the server.
        "SET GLOBAL innodb_flush_log_at_trx_commit = 2; \
        CREATE DATABASE shop; USE shop; CREATE TABLE big (id INT PRIMARY KEY, w \
        VARCHAR(80)); INSERT INTO big SELECT seq, SHA2(seq, 256) FROM seq_1_to_100000; CREATE \
        TRIGGER t BEFORE DELETE ON big FOR EACH ROW SET @x = 1;",
    );
    let rows = "SELECT COUNT(*), SUM(id), SUM(CRC32(w)) FROM big; SELECT TRIGGER_NAME, \
                ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE();";
    dies_half_way(asked, "mariadb-dump", "mariadb", rows);
}

#[test]
fn a_mariadb_server_says_which_databases_it_has() {
    let yard = Yard::new();
    let mut asked = Asked::start(&yard, Engine::Mysql);
    asked.server.sql(
        "",
        "CREATE DATABASE shop; CREATE DATABASE bm_restore_0123456789abcdef; \
        CREATE USER p@localhost IDENTIFIED BY 'hush hush'; GRANT ALL ON shop.* TO p@localhost;",
    );
    assert_eq!(asked.names(), ["shop"]);
    says_what_exists(&asked);

    // A user with a password, from a file that only its owner may read.
    let file = yard.path("my.cnf");
    asked.at.user = Some("p".to_owned());
    for (password, is_right) in [("hush hush", true), ("wrong secret", false)] {
        super::write_secret(&file, &format!("[client]\npassword='{password}'\n"));
        asked.at.options_file = Some(file.to_str().expect("plain").to_owned());
        let task = asked.dump_task("shop", DumpFormat::None);
        let got = super::perform(task, None, Some(&mut std::io::sink()));
        assert_eq!(got.is_ok(), is_right, "{got:?}");
        assert!(!format!("{got:?}").contains(password), "{got:?}");
    }
}

#[test]
fn a_dump_never_takes_the_place_of_a_database_of_the_mariadb_server() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    asked.server.sql("", "CREATE DATABASE shop; CREATE TABLE shop.t (a INT);");
    refuses_own(&asked, &["mysql", "MySQL", "sys", "bm_restore_0123456789abcdef"]);
    assert!(asked.server.sql("mysql", "SHOW TABLES;").contains(">db<"));
}

#[test]
fn a_mariadb_database_that_appears_during_a_load_stays() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    let server = &asked.server;
    server.sql("", "CREATE DATABASE shop; CREATE TABLE shop.t (a INT);");
    let dump = asked.dump("shop", DumpFormat::None).0;
    for replace in [false, true] {
        let appear = || {
            server.sql("", "CREATE DATABASE new; CREATE TABLE new.mine AS SELECT 7 AS n;");
        };
        let mut dump = Then::new(dump.as_slice(), 1, appear);
        let got = asked.try_load("new", &mut dump, DumpFormat::None, replace);
        assert!(matches!(got, Err(TaskError::Conflict { .. })), "{got:?}");
        assert!(server.sql("new", "SELECT n FROM mine;").contains(">7<"));
        let all = server.sql("", "SHOW DATABASES;");
        assert!(!all.contains("bm_"), "{all}");
        server.sql("", "DROP DATABASE new;");
    }
}

/// A database whose view reads a table of the database that it is loaded into: it can be made in
/// the scratch database, and not in its place.
const LEANS: &str = "CREATE DATABASE leans; USE leans; CREATE TABLE t AS SELECT 5 AS n; CREATE \
    TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1; CREATE VIEW v AS SELECT * FROM \
    shop.old;";

#[test]
fn a_mariadb_swap_that_fails_leaves_the_old_database_as_it_was() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    let server = &asked.server;
    server.sql("", SHOP);
    server.sql("shop", "CREATE TABLE old AS SELECT 1 AS n;");
    server.sql("", LEANS);
    let was = state(server, "shop");
    let rights = grants(server);
    let dump = asked.dump("leans", DumpFormat::None).0;
    let got = asked.try_load("shop", &mut dump.as_slice(), DumpFormat::None, true);
    let Err(TaskError::Conflict { what }) = got else { panic!("{got:?}") };
    assert!(what.contains("as it was") && what.contains("shop.old"), "{what}");
    assert_same(&was, &state(server, "shop"));
    assert_eq!(grants(server), rights);
    let all = server.sql("", "SHOW DATABASES;");
    assert!(!all.contains("bm_"), "{all}");
    let good = asked.dump("shop", DumpFormat::None).0;
    assert!(!asked.load("shop", &good, true).0, "it is still replaced by what can be");
    assert_same(&was, &state(server, "shop"));
}

#[test]
fn a_mariadb_swap_that_fails_for_good_names_where_the_data_is() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    let server = &asked.server;
    // It cannot be set aside, since a key of another database would go with it.
    server.sql(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.old (n INT PRIMARY KEY); CREATE DATABASE other; \
         CREATE TABLE other.child (n INT, FOREIGN KEY (n) REFERENCES shop.old (n));",
    );
    server.sql("", LEANS);
    let dump = asked.dump("leans", DumpFormat::None).0;
    let got = asked.try_load("shop", &mut dump.as_slice(), DumpFormat::None, true);
    let Err(TaskError::Conflict { what }) = got else { panic!("{got:?}") };
    let scratch = what.split('"').find(|word| word.starts_with("bm_restore_"));
    let scratch = scratch.unwrap_or_else(|| panic!("{what}"));
    assert!(server.sql("shop", "SELECT n FROM t;").contains(">5<"), "the tables are in place");
    assert!(server.sql(scratch, "SHOW CREATE VIEW v;").contains("old"), "the view is kept");

    // What an earlier load has set aside is not touched.
    let aside = scratch.replace("restore", "replaced");
    server.sql("", &format!("CREATE DATABASE {aside}; CREATE TABLE {aside}.last (n INT);"));
    let got = asked.try_load("shop", &mut dump.as_slice(), DumpFormat::None, true);
    let Err(TaskError::Conflict { what }) = got else { panic!("{got:?}") };
    assert!(what.contains(&aside), "{what}");
    server.sql(&aside, "SELECT * FROM last;");
}
