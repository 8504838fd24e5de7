//! A dump of MariaDB names its database. What is loaded under another name must not reach it.

use node::tasks::{TaskError, database::Engine};
use protocol::job::DumpFormat;
use tests::support::{DatabaseServer, Yard};

use super::{
    Asked,
    mysql::{assert_same, state},
};

/// Everything around which the dump program alters the database, since its collation has changed,
/// and triggers whose maker wrote its name.
const SHOP: &str = r"
CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german1_ci;
USE shop;
CREATE TABLE t (a INT PRIMARY KEY, w VARCHAR(20)); INSERT INTO t VALUES (1, 'one'), (2, 'two');
CREATE TABLE log (n INT);
DELIMITER //
CREATE TRIGGER `shop`.`first` BEFORE INSERT ON `shop`.`t` FOR EACH ROW SET NEW.a = NEW.a + 10//
CREATE TRIGGER `second` AFTER INSERT
  ON `shop`.`t` FOR EACH ROW BEGIN
  INSERT INTO log VALUES (NEW.a); END//
CREATE FUNCTION plus_one(n INT) RETURNS INT DETERMINISTIC RETURN n + 1//
CREATE PROCEDURE empty_it() BEGIN
ALTER DATABASE shop CHARACTER SET latin1 COLLATE latin1_bin ;
DELETE FROM shop.t; END//
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM t//
DELIMITER ;
CREATE VIEW v AS SELECT a, plus_one(a) AS b FROM t;
ALTER DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
";

/// All of a database that there is to know: definitions, rows, character set, as bytes.
fn everything(asked: &Asked, database: &str) -> Vec<(String, String)> {
    let mut all = state(&asked.server, database);
    all.push((
        "itself".to_owned(),
        asked.server.sql("", &format!("SHOW CREATE DATABASE {database};")),
    ));
    let dump = asked.dump(database, DumpFormat::None).0;
    all.push(("dump".to_owned(), String::from_utf8(dump).expect("it is UTF-8")));
    all
}

/// The database's own name is not in what was executed.
fn without_name(state: Vec<(String, String)>) -> Vec<(String, String)> {
    state.into_iter().map(|(name, text)| (name, text.replace("`shop`.", ""))).collect()
}

/// Works as the one it was made of does, on its own tables.
fn works(server: &DatabaseServer, database: &str) {
    server.sql(database, "INSERT INTO t VALUES (5, 'five');");
    let rows = server.sql(database, "SELECT n FROM log; SELECT b FROM v WHERE a = 15;");
    assert!(rows.contains(">15<") && rows.contains(">16<"), "{rows}");
}

#[test]
fn a_mariadb_dump_loaded_under_another_name_leaves_the_original_as_it_was() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    let server = &asked.server;
    server.sql("", SHOP);
    let was = without_name(state(server, "shop"));
    let dump = asked.dump("shop", DumpFormat::None).0;
    let text = String::from_utf8(dump.clone()).expect("it is UTF-8");
    assert!(text.matches("\nALTER DATABASE `shop` CHARACTER SET utf8mb4").count() >= 5, "{text}");
    assert!(text.contains("TRIGGER `shop`.`first`"), "{text}");

    // What the dump would put back by name differs by now.
    server.sql(
        "shop",
        "ALTER DATABASE shop CHARACTER SET greek; DROP TRIGGER first; DROP TRIGGER second;",
    );
    let original = everything(&asked, "shop");
    for replace in [false, true] {
        let (created, warnings) = asked.load("copy", &dump, replace);
        assert!(created != replace && warnings.is_empty(), "{warnings:?}");
        assert_same(&original, &everything(&asked, "shop"));
        assert_same(&was, &state(server, "copy"));
        let made = server.sql("", "SHOW CREATE DATABASE copy;");
        assert!(made.contains("utf8mb4_bin"), "{made}");
        works(server, "copy");
        assert_same(&original, &everything(&asked, "shop"));
    }

    // The original need not exist, and comes back as it was.
    server.sql("", "DROP DATABASE shop;");
    for database in ["another", "shop"] {
        assert!(asked.load(database, &dump, false) == (true, Vec::new()));
        assert_same(&was, &state(server, database));
        works(server, database);
    }
}

#[test]
fn a_mariadb_dump_that_goes_into_another_database_by_itself_is_refused() {
    let yard = Yard::new();
    let asked = Asked::start(&yard, Engine::Mysql);
    asked.server.sql("", SHOP);
    let dump = asked.dump("shop", DumpFormat::None).0;
    let dump = String::from_utf8(dump).expect("it is UTF-8");
    let (head, dump) = dump.split_once('\n').expect("a head");
    asked.server.sql("shop", "DROP TABLE log; DELETE FROM t WHERE a = 1;");
    let original = everything(&asked, "shop");
    for leaving in [
        "USE `shop`;",
        "/*!40000 DROP DATABASE IF EXISTS `shop`*/;",
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET greek */;",
        "ALTER DATABASE `shop` COMMENT 'changed';",
    ] {
        for before in [String::new(), format!("{head}\n")] {
            let dump = format!("{before}-- MariaDB dump\n\n{leaving}\n{dump}");
            let format = DumpFormat::None;
            let got = asked.try_load("copy", &mut dump.as_bytes(), format, false);
            let Err(TaskError::Data(why)) = got else { panic!("{leaving}: {got:?}") };
            assert!(why.to_string().contains("database"), "{why}");
            assert_same(&original, &everything(&asked, "shop"));
            assert_eq!(asked.names(), ["shop"]);
        }
    }
}
