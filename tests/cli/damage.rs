//! What was hurt is found, and mended or told.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use tests::support::{Node, Yard, assert_same, below, tree, until};

struct Scene {
    yard: Yard,
    jerry: Node,
    tom: Node,
    archive: String,
}

/// jerry made an archive and tom holds it.
fn scene() -> Scene {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 4 << 20);
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    let archive = jerry.back_up("files");
    jerry.until_held(&archive, &tom);
    Scene { yard, jerry, tom, archive }
}

impl Scene {
    fn assert_restores(&self, node: &Node, to: &str) {
        let (to, source) = (self.yard.path(to), self.yard.path("source"));
        node.restore(&self.archive, &to, &[]);
        assert_same(&source, &below(&to, &source));
    }
}

/// Flips bytes in the middle of the largest pack.
fn hurt_a_pack(data: &Path) {
    let packs = tree::files_ending(&data.join("store"), ".pack");
    let size = |path: &Path| fs::metadata(path).expect("it is there").len();
    let pack = packs.iter().max_by_key(|path| size(path)).expect("a pack");
    let mut bytes = fs::read(pack).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(pack, bytes).expect("written");
}

#[test]
fn a_damaged_pack_of_a_holder_is_found_and_the_archive_is_restored_all_the_same() {
    let mut scene = scene();
    scene.tom.stop();
    hurt_a_pack(&scene.tom.data);
    scene.tom.restart();
    let checked = scene.tom.ask(&["store", "check", "--read-data", "--json"]).exits(1);
    assert!(checked.json("store_checked")["damaged_total"].as_u64() >= Some(1), "{checked:#?}");
    until("both are connected", || scene.tom.sees(&scene.jerry) && scene.jerry.sees(&scene.tom));
    scene.assert_restores(&scene.tom, "by-tom");
    scene.assert_restores(&scene.jerry, "by-jerry");
}

#[test]
fn what_a_check_found_damaged_is_fetched_again_from_another_holder() {
    let mut scene = scene();
    for hurt_tom in [true, false] {
        let (hurt, other) = match hurt_tom {
            true => (&mut scene.tom, &scene.jerry),
            false => (&mut scene.jerry, &scene.tom),
        };
        hurt.stop();
        hurt_a_pack(&hurt.data);
        hurt.restart();
        until("both are connected", || hurt.sees(other) && other.sees(hurt));
        let _ = hurt.ask(&["store", "check", "--read-data"]).exits(1);
        until("it is whole again", || {
            hurt.ask(&["archive", "verify", &scene.archive]).code == Some(0)
        });
        hurt.done(&["store", "check", "--read-data"]);
    }
    scene.jerry.stop();
    scene.assert_restores(&scene.tom, "by-tom");
    scene.tom.stop();
    scene.jerry.restart();
    scene.assert_restores(&scene.jerry, "by-jerry");
}

#[test]
fn an_index_that_is_gone_or_rubbish_is_made_again() {
    let mut scene = scene();
    let index = scene.jerry.data.join("store/index.redb");
    assert!(index.exists(), "the index has moved: this test must follow");
    let hurts: [&dyn Fn(); 3] = [
        &|| fs::remove_file(&index).expect("removed"),
        &|| fs::write(&index, b"rubbish".repeat(5_000)).expect("written"),
        &|| fs::write(&index, b"").expect("written"),
    ];
    for (number, hurt) in hurts.into_iter().enumerate() {
        scene.jerry.stop();
        hurt();
        scene.jerry.restart();
        scene.jerry.done(&["store", "check", "--read-data"]);
        scene.assert_restores(&scene.jerry, &format!("to-{number}"));
    }
    let _ = scene.jerry.back_up("files");
}

#[test]
fn a_run_without_what_the_last_one_left_stores_nothing_twice() {
    let mut scene = scene();
    scene.jerry.stop();
    for file in fs::read_dir(scene.jerry.data.join("reuse")).expect("a folder") {
        fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    scene.jerry.restart();
    let report = scene.jerry.run_job("files");
    assert!(report["stored_bytes"].as_u64() < Some(64 << 10), "{report:#}");
    for file in fs::read_dir(scene.jerry.data.join("reuse")).expect("a folder") {
        fs::write(file.expect("a file").path(), b"rubbish".repeat(1_000)).expect("written");
    }
    scene.archive = scene.jerry.back_up("files");
    scene.assert_restores(&scene.jerry, "to");
}

#[test]
fn a_source_that_is_missing_or_no_folder_fails_and_a_run_later_works() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 1 << 20);
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    fs::rename(&source, yard.path("away")).expect("moved");
    let text = source.to_str().expect("plain");
    jerry.run_fails("files", &[text, "No such file"]);
    fs::rename(yard.path("away"), &source).expect("moved");
    let archive = jerry.back_up("files");
    jerry.restore(&archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
}

#[test]
fn files_that_come_grow_and_vanish_while_they_are_read_fail_no_run() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::awkward(&source);
    let busy = source.join("busy");
    fs::create_dir(&busy).expect("a folder");
    let jerry = yard.node("jerry");
    jerry.add_job("files", &source, &[]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_usize.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let path = busy.join(format!("f{}", round % 50));
                if round % 3 == 0 {
                    let _ = fs::remove_file(path);
                } else {
                    let _ = fs::write(path, vec![1; (round * 7919) % 200_000]);
                }
            }
        });
        for _ in 0..3 {
            let ran = jerry.ask(&["job", "run", "files", "--wait", "--json"]);
            let good = matches!(ran.code, Some(0 | 3));
            stop.store(!good, Ordering::Relaxed);
            assert!(good, "{ran:#?}");
            let archive = ran.json("run_ended")["archive"].as_str().expect("a name").to_owned();
            jerry.done(&["archive", "verify", &archive]);
        }
        stop.store(true, Ordering::Relaxed);
    });
    fs::remove_dir_all(&busy).expect("removed");
    let archive = jerry.back_up("files");
    jerry.restore(&archive, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
}
