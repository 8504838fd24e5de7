//! Databases as a user backs them up: a job, an archive, a restore.

use serde_json::{Value, json};
use tests::support::{DatabaseServer, Node, Tmpfs, Yard};

fn scene(server: fn(&std::path::Path) -> DatabaseServer) -> (Yard, DatabaseServer, Node) {
    let yard = Yard::new();
    let server = server(&yard.path("server"));
    let jerry = yard.node("jerry");
    (yard, server, jerry)
}

fn add(node: &Node, kind: &str, server: &DatabaseServer, more: &[&str]) {
    let place = ["--server-socket", &server.socket];
    node.done(&[&["job", "add", kind, "shop"], &place[..], more].concat());
}

fn restore(node: &Node, archive: &str, more: &[&str]) -> Value {
    node.json(&[&["archive", "restore", archive, "--yes"], more].concat(), "restored")
}

/// The one value that a query answers with; the client of MariaDB writes XML around it.
fn value(server: &DatabaseServer, database: &str, sql: &str) -> String {
    let said = server.sql(database, sql);
    let inside = said.split_once("<field").and_then(|(_, rest)| rest.split_once('>'));
    let value = inside.and_then(|(_, rest)| rest.split_once("</field>"));
    value.map_or(said.trim(), |(value, _)| value).to_owned()
}

const ROWS: &str = "SELECT CONCAT(COUNT(*), ' ', MIN(name)) FROM things";

#[test]
fn a_mariadb_database_is_dumped_into_an_archive_and_loaded_from_it() {
    let (_yard, mut server, jerry) = scene(DatabaseServer::mariadb);
    server.sql("mysql", "CREATE DATABASE shop; CREATE DATABASE other");
    server.sql("shop", "CREATE TABLE things (id INT PRIMARY KEY, name TEXT)");
    server.sql("shop", "INSERT INTO things VALUES (1, 'pêche'), (2, 'zèbre')");
    let wrong = ["job", "add", "mysql", "shop", "sohp", "--server-socket", &server.socket];
    let refused = jerry.ask(&wrong).exits(1);
    assert!(refused.err.contains("there is: other, shop"), "{refused:#?}");
    add(&jerry, "mysql", &server, &["shop"]);
    let archive = jerry.back_up("shop");
    assert!(archive.starts_with("jerry_mysql_shop_"), "{archive}");
    let contents = jerry.json(&["archive", "contents", &archive], "contents").to_string();
    assert!(contents.contains("data/mysql/shop.sql"), "{contents}");

    server.sql("shop", "DELETE FROM things");
    let restored = restore(&jerry, &archive, &[]);
    assert_eq!(value(&server, "shop", ROWS), "2 pêche");
    let safety = restored["safety"].as_str().expect("it made one").to_owned();
    assert!(safety.contains("-safety_"), "{safety}");
    let _ = restore(&jerry, &archive, &["--rename-database", "shop=shop_before"]);
    assert_eq!(value(&server, "shop_before", ROWS), "2 pêche");
    let own = ["--yes", "--rename-database", "shop=mysql"];
    let refused = jerry.ask(&[&["archive", "restore", &archive], &own[..]].concat()).exits(1);
    assert!(refused.err.contains("of the server itself"), "{refused:#?}");
    // The way back: the emptied table.
    let _ = restore(&jerry, &safety, &[]);
    assert_eq!(value(&server, "shop", "SELECT COUNT(*) FROM things"), "0");

    server.sql("shop", "INSERT INTO things VALUES (3, 'abricot')");
    let changed = jerry.run_job("shop");
    let again = jerry.run_job("shop");
    assert_eq!((&changed["nothing_new"], &again["nothing_new"]), (&json!(false), &json!(true)));
    server.kill();
    jerry.run_fails("shop", &[]);
}

#[test]
fn every_postgresql_database_goes_into_one_archive_and_one_of_them_comes_back() {
    let (_yard, server, jerry) = scene(DatabaseServer::postgresql);
    for name in ["alpha", "beta", "gamma"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE TABLE things (id INT PRIMARY KEY, name TEXT)");
        server.sql(name, &format!("INSERT INTO things VALUES (1, '{name}')"));
    }
    add(&jerry, "postgresql", &server, &["--all", "--exclude-database", "gamma"]);
    let archive = jerry.back_up("shop");
    for name in ["alpha", "beta"] {
        server.sql("postgres", &format!("DROP DATABASE {name}"));
    }
    let _ = restore(&jerry, &archive, &["--component", "databases"]);
    for name in ["alpha", "beta"] {
        assert_eq!(value(&server, name, "SELECT name FROM things"), name);
    }
    let contents = jerry.json(&["archive", "contents", &archive], "contents").to_string();
    assert!(!contents.contains("gamma"), "{contents}");
}

#[test]
fn a_dump_that_the_disk_has_no_room_for_is_no_archive() {
    let yard = Yard::new();
    let server = DatabaseServer::mariadb(&yard.path("server"));
    server.sql("mysql", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE noise (data LONGBLOB)");
    for _ in 0..6 {
        server.sql("shop", "INSERT INTO noise SELECT RANDOM_BYTES(1024) FROM seq_1_to_8192");
    }
    let small = yard.path("small");
    let _disk = Tmpfs::mount(&small, "40m");
    let jerry = Node::start("jerry", &small.join("data"), &yard.path("archives"));
    add(&jerry, "mysql", &server, &["shop"]);
    jerry.run_fails("shop", &[]);
    let list = jerry.json(&["archive", "list"], "archives");
    assert_eq!(list["archives"], json!([]));
    assert_eq!(value(&server, "shop", "SELECT COUNT(*) FROM noise"), "49152");
}
