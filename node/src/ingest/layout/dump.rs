//! Where the dump of a database lies in an archive: `data/mysql/NAME.sql`, and NAME back from there.
//!
//! A server allows what a file name does not: slashes, control characters, a dot in front. Those
//! bytes are written as `%2F`; the hooks in the archive know that.

use std::fmt::Write as _;

use protocol::job::DumpFormat;

use crate::tasks::database::Engine;

/// The longest name of a file, bytes.
const FILE_NAME_BYTES_MAX: usize = 255;

const FORMATS: [DumpFormat; 4] =
    [DumpFormat::None, DumpFormat::Gzip, DumpFormat::Bzip2, DumpFormat::Zstd];

fn folder(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "data/mysql/",
        Engine::Postgresql => "data/postgresql/",
    }
}

/// The member that a database's dump is. None when the name is empty or too long for a file.
#[must_use]
pub fn dump_path(engine: Engine, database: &str, format: DumpFormat) -> Option<String> {
    let mut file = String::with_capacity(database.len() + 8);
    for (at, c) in database.chars().enumerate() {
        let odd = c.is_ascii_control() || "/%\\".contains(c) || (at == 0 && ".-".contains(c));
        if odd {
            write!(file, "%{:02X}", u32::from(c)).ok()?;
        } else {
            file.push(c);
        }
    }
    file.push_str(".sql");
    file.push_str(format.ending());
    let fits = !database.is_empty() && file.len() <= FILE_NAME_BYTES_MAX;
    fits.then(|| format!("{}{file}", folder(engine)))
}

/// What a member is a dump of, when it is one.
#[must_use]
pub fn database_of(path: &[u8]) -> Option<(Engine, String, DumpFormat)> {
    let path = std::str::from_utf8(path).ok()?;
    let engines = [Engine::Mysql, Engine::Postgresql].into_iter();
    let (engine, file) =
        engines.filter_map(|engine| Some((engine, path.strip_prefix(folder(engine))?))).next()?;
    let endings = FORMATS.into_iter();
    let (format, name) = endings
        .filter_map(|format| Some((format, file.strip_suffix(format.ending())?)))
        .find_map(|(format, file)| Some((format, file.strip_suffix(".sql")?)))?;
    let database = decode(name)?;
    // One dump has one name, so that no two members claim the same database.
    (dump_path(engine, &database, format)? == path).then_some((engine, database, format))
}

fn decode(name: &str) -> Option<String> {
    let mut parts = name.split('%');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        out.push(char::from(code));
        out.push_str(&part[2..]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_a_server_allows_comes_back_from_its_path() {
        let names = [
            "mabase",
            "ma base",
            "é'\"`$(x)",
            "a/b",
            "../up",
            ".hidden",
            "-x",
            "100%",
            "%2F",
            "a\\b",
            "tab\there",
            "x.sql",
            "x.sql.gz",
            "日本",
            "*",
        ];
        for engine in [Engine::Mysql, Engine::Postgresql] {
            for format in FORMATS {
                for name in names {
                    let path = dump_path(engine, name, format).unwrap();
                    assert_eq!(path.matches('/').count(), 2, "{path}");
                    assert!(!path.chars().any(char::is_control), "{path}");
                    let back = database_of(path.as_bytes());
                    assert_eq!(back, Some((engine, name.to_owned(), format)), "{path}");
                }
            }
        }
        let plain = dump_path(Engine::Mysql, "mabase", DumpFormat::None).unwrap();
        assert_eq!(plain, "data/mysql/mabase.sql");
    }

    #[test]
    fn what_is_no_dump_of_ours_has_no_database() {
        for path in [
            "data/mysql",
            "data/mysql/",
            "data/mysql/.sql",
            "data/mysql/a.txt",
            "data/mysql/a/b.sql",
            "data/mysql/%zz.sql",
            "data/mysql/%6",
            "data/mysql/%61.sql",
            "data/mysql/%é.sql",
            "data/custom/a.sql",
            "mysql/a.sql",
        ] {
            assert_eq!(database_of(path.as_bytes()), None, "{path}");
        }
        assert_eq!(database_of(b"data/mysql/\xff.sql"), None);
    }

    #[test]
    fn a_name_that_no_file_can_have_has_no_path() {
        assert_eq!(dump_path(Engine::Mysql, "", DumpFormat::None), None);
        assert!(dump_path(Engine::Mysql, &"é".repeat(120), DumpFormat::Bzip2).is_some());
        assert_eq!(dump_path(Engine::Mysql, &"/".repeat(90), DumpFormat::None), None);
    }
}
