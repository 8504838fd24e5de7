//! Which crate may depend on which: the direction of the workspace, as cargo sees it.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::{Value, json};

/// What would bring a clock, a socket, a disk or a runtime into the pure core.
const NOT_IN_THE_CORE: [&str; 8] =
    ["tokio", "futures", "redb", "libp2p", "axum", "rustix", "getrandom", "tempfile"];

/// What would read the clock or the machine's zones, of a crate that the core has for its calendar.
const NOT_ASKED_IN_THE_CORE: [&str; 5] =
    ["::now()", "TimeZone::system", "TimeZone::get", "TimeZone::try_system", "tz::db()"];

const OURS: [&str; 4] = ["protocol", "web", "node", "tests"];

/// What a crate of the workspace is built with; what only its tests use does not count.
fn dependencies(of: &str) -> BTreeSet<String> {
    let all = manifest(of).into_iter();
    all.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

fn manifest(of: &str) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == of).unwrap();
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| dependency["kind"].as_str() != Some("dev")).cloned().collect()
}

fn of_ours(of: &str) -> BTreeSet<String> {
    dependencies(of).into_iter().filter(|name| OURS.contains(&name.as_str())).collect()
}

#[test]
fn the_core_depends_on_no_crate_of_ours_and_on_nothing_that_touches_the_world() {
    assert_eq!(of_ours("protocol"), BTreeSet::new());
    let dependencies = dependencies("protocol");
    for name in NOT_IN_THE_CORE {
        let prefix = format!("{name}-");
        let found = dependencies.iter().find(|d| *d == name || d.starts_with(&prefix));
        assert_eq!(found, None);
    }
}

#[test]
fn the_core_has_a_calendar_and_asks_nobody_for_the_time_or_the_zone() {
    let all = manifest("protocol");
    let jiff = all.iter().find(|dependency| dependency["name"] == "jiff").unwrap();
    assert_eq!(
        (&jiff["uses_default_features"], &jiff["features"]),
        (&json!(false), &json!(["alloc"]))
    );
    // Another crate of the workspace may turn its features on, so the text is looked at too.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/src");
    let (mut folders, mut files) = (vec![source], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let asked = NOT_ASKED_IN_THE_CORE.iter().find(|asked| text.contains(**asked));
            assert_eq!(asked, None, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 50, "{files}");
}

#[test]
fn the_pages_depend_on_the_core_and_not_on_the_node() {
    assert!(of_ours("web").iter().all(|name| name == "protocol"), "{:?}", of_ours("web"));
    assert!(!of_ours("node").contains("tests"));
}
