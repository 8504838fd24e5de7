//! Names of archives: `{instance}_{what}_{YYYYMMDD}`, with a number for later runs of the day.

use std::collections::BTreeSet;

use protocol::{job::JobSpec, limits::NAME_BYTES_MAX};

use crate::agent::ArchiveFileName;

/// Room for `_20260508` and for `_9999` behind it.
const STEM_BYTES_MAX: usize = NAME_BYTES_MAX - 9 - 5;

/// Hex digits that tell shortened names apart.
const HASH_DIGITS: usize = 8;

/// What is put behind the stem of an archive that is made before a restore.
const SAFETY: &str = "-safety";

/// Endings of files that take a name in the archives folder.
const ENDINGS: [&str; 3] = [".info.json", ".tar.gz", ".tar"];

/// What a job's archives are named after: what 000 says for its kind, else the job.
#[must_use]
pub fn job_stem(job: &JobSpec) -> String {
    job.config.archive_stem().unwrap_or_else(|| job.name.to_string())
}

/// A name that no archive in `taken` has. `date` is `YYYYMMDD` in the node's local time.
///
/// YunoHost deletes only what has at most 50 of `[A-Za-z0-9._-]`, so a long instance or job name
/// is cut, other characters are replaced, and both are told apart by a hash.
pub fn archive_name(
    instance: &str,
    what: &str,
    date: &str,
    taken: impl Fn(&str) -> bool,
) -> String {
    free(&format!("{}_{date}", stem(&format!("{instance}_{what}"), STEM_BYTES_MAX)), taken)
}

/// A name for an archive that is made before a restore, in the same way: `jerry_docs-safety_…`.
pub fn safety_name(instance: &str, what: &str, date: &str, taken: impl Fn(&str) -> bool) -> String {
    let stem = stem(&format!("{instance}_{what}"), STEM_BYTES_MAX - SAFETY.len());
    free(&format!("{stem}{SAFETY}_{date}"), taken)
}

fn free(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = base.to_owned();
    let mut number = 1_u32;
    while taken(&name) {
        number += 1;
        name = format!("{base}_{number}");
    }
    name
}

fn stem(wanted: &str, bytes_max: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let clean: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let clean = clean.trim_start_matches('.');
    if clean == wanted && clean.len() <= bytes_max {
        return clean.to_owned();
    }
    let hash = blake3::hash(wanted.as_bytes()).to_hex();
    let kept = &clean[..clean.len().min(bytes_max - HASH_DIGITS - 1)];
    format!("{kept}-{}", &hash[..HASH_DIGITS])
}

/// Names that are taken: those of archives, and those of files in the archives folder, whoever made
/// them. YunoHost refuses a name that it knows, and a plain tar must not lie in the way of ours.
#[derive(Clone, Debug, Default)]
pub struct TakenNames(BTreeSet<String>);

impl TakenNames {
    /// The titles of archives, and the files of the archives folder.
    pub fn new<'a>(
        titles: impl IntoIterator<Item = String>,
        files: impl IntoIterator<Item = &'a ArchiveFileName>,
    ) -> Self {
        let mut names: BTreeSet<String> = titles.into_iter().collect();
        for file in files {
            let file = file.to_string();
            let name = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending));
            names.extend(name.map(str::to_owned));
        }
        Self(names)
    }

    /// Whether a name is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::{CustomDir, Databases, JobConfig, YnhApp, YnhSystem};

    use super::*;

    const DATE: &str = "20260508";

    fn named_by(config: JobConfig) -> String {
        let job = JobSpec::new("nightly".parse().unwrap(), config);
        archive_name("jerry", &job_stem(&job), DATE, |_| false)
    }

    fn is_deletable(name: &str) -> bool {
        name.len() <= NAME_BYTES_MAX
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }

    #[test]
    fn archives_of_every_kind_are_named_as_000_names_them() {
        let app = |id: &str| JobConfig::YnhApp(YnhApp { app_id: id.to_owned(), core_only: false });
        assert_eq!(named_by(app("nocodb")), "jerry_nocodb_20260508");
        assert_eq!(named_by(app("wordpress__2")), "jerry_wordpress__2_20260508");
        assert_eq!(named_by(JobConfig::YnhSystem(YnhSystem::default())), "jerry_system_20260508");
        assert_eq!(
            named_by(JobConfig::Mysql(Databases::one("mabase"))),
            "jerry_mysql_mabase_20260508"
        );
        assert_eq!(
            named_by(JobConfig::Postgresql(Databases::one("mabase"))),
            "jerry_postgresql_mabase_20260508"
        );
        let all = Databases { all: true, ..Databases::default() };
        assert_eq!(named_by(JobConfig::Mysql(all)), "jerry_nightly_20260508");
        let dir = JobConfig::CustomDir(CustomDir::new("/opt/x"));
        assert_eq!(named_by(dir), "jerry_nightly_20260508");
    }

    #[test]
    fn a_second_run_of_the_day_gets_a_number() {
        let taken = ["jerry_docs_20260508", "jerry_docs_20260508_2"];
        let name = archive_name("jerry", "docs", DATE, |name| taken.contains(&name));
        assert_eq!(name, "jerry_docs_20260508_3");
    }

    #[test]
    fn files_in_the_archives_folder_take_names_too() {
        let file = |name: &str| ArchiveFileName::new(name).unwrap();
        let files = [
            file("jerry_docs_20260508_2.tar"),
            file("jerry_docs_20260508_3.tar.gz"),
            file("jerry_docs_20260508_4.info.json"),
        ];
        let taken = TakenNames::new(["jerry_docs_20260508".to_owned()], &files);
        let name = archive_name("jerry", "docs", DATE, |name| taken.has(name));
        assert_eq!(name, "jerry_docs_20260508_5");
        assert!(!taken.has("jerry_docs_20260508_3.tar"));
    }

    #[test]
    fn names_of_databases_that_no_file_should_have_are_cleaned_and_told_apart() {
        let [a, b, c] = ["ma base", "ma-base", "ma/base"]
            .map(|name| named_by(JobConfig::Mysql(Databases::one(name))));
        assert_eq!(b, "jerry_mysql_ma-base_20260508");
        assert!(a.starts_with("jerry_mysql_ma-base-") && a.ends_with("_20260508"), "{a}");
        assert!(a != b && a != c && b != c);
        assert!([a, b, c].iter().all(|name| is_deletable(name)));
    }

    #[test]
    fn safety_archives_say_so_behind_the_stem_however_long_it_is() {
        let name = safety_name("jerry", "docs", DATE, |_| false);
        assert_eq!(name, "jerry_docs-safety_20260508");
        let taken = safety_name("jerry", "docs", DATE, |taken| taken == name);
        assert_eq!(taken, "jerry_docs-safety_20260508_2");
        let long = safety_name(&"n".repeat(50), &"j".repeat(50), DATE, |_| false);
        assert!(long.contains("-safety_2026") && long.len() <= NAME_BYTES_MAX - 5, "{long}");
    }

    #[test]
    fn long_and_odd_names_stay_within_what_yunohost_deletes() {
        let long = archive_name(&"n".repeat(50), &"j".repeat(50), DATE, |_| false);
        let other = archive_name(&"n".repeat(50), &"j".repeat(49), DATE, |_| false);
        let odd = archive_name("é../x", "a b", DATE, |_| false);
        assert_ne!(long, other);
        for name in [&long, &other, &odd] {
            assert!(name.len() <= NAME_BYTES_MAX - 5 && is_deletable(name), "{name}");
        }
    }
}
