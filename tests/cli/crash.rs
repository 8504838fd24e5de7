//! kill -9 at any moment.

use std::{os::unix::fs::MetadataExt as _, time::Duration};

use protocol::{Entropy as _, entropy::SeededEntropy};
use tests::support::{Node, Yard, assert_same, below, tree, until};

/// How often the daemon is killed in one test.
const KILLS: u64 = 8;

/// Kills come within this time of the start of a run, which takes about as long.
const KILL_WITHIN_MS: u64 = 900;

fn states(node: &Node) -> Vec<String> {
    let runs = node.json(&["run", "list", "--limit", "100"], "runs");
    let all = runs.as_array().expect("a list").iter();
    all.map(|run| run["state"].as_str().expect("a state").to_owned()).collect()
}

#[test]
fn a_daemon_killed_at_any_moment_of_a_run_goes_on_with_nothing_lost() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let mut jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let mut entropy = SeededEntropy::new(99);
    let mut made = Vec::new();
    for kill in 0..KILLS {
        std::fs::write(source.join("noise.bin"), tree::noise(kill, 16 << 20)).expect("written");
        let mut run =
            jerry.command(&["job", "run", "files", "--wait", "-q"]).spawn().expect("it runs");
        // The moment is what is tested.
        let delay = u64::from_le_bytes(entropy.array()) % KILL_WITHIN_MS;
        std::thread::sleep(Duration::from_millis(delay));
        jerry.kill();
        let ended = run.wait().expect("it ends").code();
        jerry.restart();
        let states = states(&jerry);
        assert!(states.iter().all(|state| state != "running"), "{states:?}");
        if ended == Some(0) {
            assert_eq!(states.first().map(String::as_str), Some("success"), "{states:?}");
        }
        jerry.done(&["store", "check", "--read-data"]);
        made = archives(&jerry);
        for archive in &made {
            jerry.done(&["archive", "verify", archive]);
        }
    }
    let states = states(&jerry);
    assert!(states.iter().any(|state| state == "interrupted"), "no kill met a run: {states:?}");

    let archive = jerry.back_up("files");
    assert!(!made.contains(&archive));
    jerry.restore(&archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
    jerry.done(&["store", "gc"]);
    jerry.done(&["store", "check", "--read-data"]);
    jerry.done(&["archive", "verify", &archive]);
}

fn archives(node: &Node) -> Vec<String> {
    let list = node.json(&["archive", "list"], "archives");
    let all = list["archives"].as_array().expect("a list").iter();
    all.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_fetch_goes_on_after_either_side_was_killed() {
    const BYTES: usize = 64 << 20;
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 5, BYTES);
    let mut jerry = yard.node("jerry");
    let mut tom = yard.member("tom", &jerry, "operator");
    tom.stop();
    jerry.add_job("files", &source, &["--copies", "1"]);
    let archive = jerry.back_up("files");
    let stored = |tom: &Node| tree::bytes_below(&tom.data.join("store"));

    tom.restart();
    until("tom has some of it", || stored(&tom) > BYTES as u64 / 8);
    tom.kill();
    assert!(stored(&tom) < BYTES as u64, "it was too fast for this test");
    tom.restart();
    assert!(!tom.is_held(&archive, &tom), "it says that it holds what it does not");
    until("tom has half of it", || stored(&tom) > BYTES as u64 / 2);
    jerry.kill();
    tom.done(&["store", "check", "--read-data"]);
    jerry.restart();
    tom.until_held(&archive, &tom);
    jerry.until_held(&archive, &tom);
    assert!(stored(&tom) < BYTES as u64 * 5 / 4, "what had arrived was fetched again");
    tom.done(&["archive", "verify", &archive]);
    jerry.kill();
    tom.restore(&archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
}

/// Kills the daemon at a moment within `within_ms` of the start of a command.
fn kill_during(node: &mut Node, command: &[&str], within_ms: u64, entropy: &mut SeededEntropy) {
    let mut running = node.command(command).spawn().expect("it runs");
    let delay = u64::from_le_bytes(entropy.array()) % within_ms;
    std::thread::sleep(Duration::from_millis(delay));
    node.kill();
    let _ = running.wait().expect("it ends");
    node.restart();
}

#[test]
fn a_daemon_killed_while_it_frees_chunks_loses_none_that_is_needed() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 6 << 20);
    std::fs::write(source.join("kept.bin"), tree::noise(70, 4 << 20)).expect("written");
    let mut jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let mut entropy = SeededEntropy::new(100);
    let mut last = jerry.back_up("files");
    for round in 0..KILLS {
        std::fs::write(source.join("noise.bin"), tree::noise(100 + round, 6 << 20))
            .expect("written");
        let next = jerry.back_up("files");
        jerry.done(&["archive", "remove", &last, "--yes"]);
        kill_during(&mut jerry, &["store", "gc"], 250, &mut entropy);
        // What was already forgotten and lies in a pack yet is taken up again, with a warning.
        let first = jerry.ask(&["store", "check", "--read-data"]);
        assert!(matches!(first.code, Some(0 | 3)), "{first:#?}");
        jerry.done(&["store", "check", "--read-data"]);
        jerry.done(&["archive", "verify", &next]);
        last = next;
    }
    jerry.done(&["store", "gc"]);
    assert!(tree::bytes_below(&jerry.data.join("store")) < 16 << 20, "it was not freed");
    jerry.restore(&last, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
}

#[test]
fn a_restore_that_was_killed_is_completed_by_the_next_one() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    std::fs::write(source.join("noise.bin"), tree::noise(1, 24 << 20)).expect("written");
    let mut jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let archive = jerry.back_up("files");
    let to = yard.path("to");
    let text = to.to_str().expect("plain");
    let mut entropy = SeededEntropy::new(101);
    for _ in 0..4 {
        let command = ["archive", "restore", &archive, "--to", text];
        kill_during(&mut jerry, &command, 700, &mut entropy);
        let noise = below(&to, &source).join("noise.bin");
        let bytes = std::fs::metadata(&noise).map_or(24 << 20, |data| data.len());
        // A folder that is not complete says so by its mode, and nobody else may enter it.
        let folder = std::fs::metadata(below(&to, &source)).map_or(0, |data| data.mode() & 0o7777);
        let whole = bytes == 24 << 20 || folder == 0o1700;
        assert!(whole, "half a file has the name of a whole one: {bytes} bytes, {folder:o}");
    }
    jerry.restore(&archive, &to, &[]);
    assert_same(&source, &below(&to, &source));
}
