use std::io::Read as _;

use super::{HELD_BYTES_MAX, Reader, all};

const ALTER: &str = "ALTER DATABASE `sh``op` CHARACTER SET latin1 COLLATE latin1_bin ";
const NAMELESS: &str = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin ";

/// A dump with names where they are executed, and where they are not.
fn dump() -> String {
    format!(
        "/*M!999999\\- enable the sandbox mode */ \n-- ;\n\n/*!40101 SET NAMES utf8mb4 */;\n\
         CREATE TABLE `t` (\n  `ALTER DATABASE` int\n);\nINSERT INTO `t` VALUES\n(1,';'),\n\
         (2,'USE');\n{ALTER};\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER `sh``op`.x\n\
         BEFORE INSERT\nON `sh``op`.t FOR EACH ROW BEGIN\n{ALTER};\nEND */;;\n{ALTER};;\n\
         CREATE PROCEDURE `p`()\nBEGIN\n{ALTER};\nUSE;\nEND ;;\nDELIMITER ;\n{ALTER};\n\
         {}\n-- Dump completed\n",
        "x".repeat(3 * HELD_BYTES_MAX)
    )
}

fn expected() -> String {
    let before = format!(
        "/*M!999999\\- enable the sandbox mode */ \n-- ;\n\n/*!40101 SET NAMES utf8mb4 */;\n\
         CREATE TABLE `t` (\n  `ALTER DATABASE` int\n);\nINSERT INTO `t` VALUES\n(1,';'),\n\
         (2,'USE');\n{NAMELESS};\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER x\n\
         BEFORE INSERT\nON t FOR EACH ROW BEGIN\n{ALTER};\nEND */;;\n{NAMELESS};;\n"
    );
    let after = format!(
        "CREATE PROCEDURE `p`()\nBEGIN\n{ALTER};\nUSE;\nEND ;;\nDELIMITER ;\n{NAMELESS};\n\
         {}\n-- Dump completed\n",
        "x".repeat(3 * HELD_BYTES_MAX)
    );
    before + &after
}

#[test]
fn names_go_where_they_are_executed_and_stay_everywhere_else() {
    assert_eq!(all(&dump()).expect("read"), expected());
}

#[test]
fn a_dump_becomes_the_same_however_it_is_cut_into_reads() {
    let dump = dump();
    for size in [1, 2, 7, 64, 4_096, 1 << 20] {
        let mut reader = Reader::new(dump.as_bytes());
        let (mut got, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            let bytes = reader.read(&mut buffer).expect("read");
            if bytes == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..bytes]);
        }
        assert!(got == expected().as_bytes(), "reads of {size}");
        assert!(reader.out.capacity() <= 4 * HELD_BYTES_MAX + 4 * size, "it is bounded");
    }
}

#[test]
fn what_leads_into_another_database_is_refused() {
    for statement in [
        "USE `shop`;",
        "use shop;",
        "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`;",
        "/*!40000 DROP DATABASE IF EXISTS `shop`*/;",
        "ALTER DATABASE `shop` READ ONLY = 1;",
        "ALTER DATABASE `shop`",
        "/*!50003 CREATE*/ /*!50003 TRIGGER shop.`t */;",
    ] {
        for before in ["", "-- USE\n", "SELECT 1;\n\n", "DELIMITER $\nSELECT 1 $\n"] {
            let end = if before.contains('$') { "$" } else { "" };
            let error = all(&format!("{before}{statement}{end}\nx;\n")).expect_err(statement);
            let word = statement.split(' ').next().expect("a word");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(all(statement).is_err(), "without the end of the line: {statement}");
    }
    assert!(all("DELIMITER \n").is_err(), "with none, nothing has an end");
    let endless = format!("CREATE TRIGGER {}", "/* on */ ".repeat(HELD_BYTES_MAX));
    assert!(all(&endless).is_err(), "it is not held for ever");
}
