//! Databases that no dump is loaded into: the servers' own, and those that a load makes for itself.

use super::{Engine, is_ours, mysql, postgresql};

/// Why a dump of one database is not loaded into another of this name, if it is not. Case does not
/// matter where servers may take names that differ in nothing else for the same.
pub(crate) fn why_not(engine: Engine, dumped_from: &str, database: &str) -> Option<String> {
    let small = database.to_ascii_lowercase();
    if is_ours(&small) {
        return Some(format!("{database:?} is a name that restores keep for themselves"));
    }
    let is_own = match engine {
        Engine::Mysql => mysql::OWN.contains(&small.as_str()),
        Engine::Postgresql => postgresql::TEMPLATES.contains(&database),
    };
    if is_own {
        return Some(format!("{database:?} is a database of the server itself"));
    }
    // People keep data in it; what is of another database would take the administrator's place.
    let is_administrators = engine == Engine::Postgresql && database == postgresql::ADMINISTRATOR;
    (is_administrators && dumped_from != database).then(|| {
        format!("{database:?} is the administrator's database, and takes a dump of itself only")
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Engine, why_not};

    #[test]
    fn databases_of_the_servers_and_of_restores_are_no_targets() {
        for own in ["mysql", "MySQL", "SYS", "information_schema", "performance_schema"] {
            assert!(why_not(Engine::Mysql, own, own).is_some(), "{own}");
            assert!(why_not(Engine::Postgresql, own, own).is_none(), "{own}");
        }
        for own in ["template0", "template1"] {
            assert!(why_not(Engine::Postgresql, own, own).is_some(), "{own}");
            assert!(why_not(Engine::Mysql, own, own).is_none(), "{own}");
        }
        for ours in ["bm_restore_0123456789abcdef", "BM_Replaced_0123456789ABCDEF"] {
            for engine in [Engine::Mysql, Engine::Postgresql] {
                assert!(why_not(engine, ours, ours).is_some(), "{ours}");
            }
        }
        assert!(why_not(Engine::Postgresql, "postgres", "postgres").is_none());
        assert!(why_not(Engine::Postgresql, "shop", "postgres").is_some());
        assert!(why_not(Engine::Mysql, "shop", "bm_restore_shop").is_none());
    }
}
