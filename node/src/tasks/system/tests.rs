//! Real accounts and scratch folders; a `systemctl` that writes down what it is asked.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::Path,
    process::Command,
};

use protocol::job::{Permissions, SystemUser, SystemdService};
use tempfile::TempDir;

use super::*;
use crate::tasks::{Answer as Done, Line, TaskIo};

fn with<T>(work: impl FnOnce(TaskIo<'_>) -> T) -> T {
    let mut line = |_: Line| {};
    work(TaskIo { input: None, output: None, line: &mut line, cancelled: &|| false })
}

fn run(task: &SystemTask) -> Result<Done, TaskError> {
    with(|io| perform(task, io))
}

/// A name that no other test, and no other run of this one, uses.
fn unique(what: &str) -> String {
    format!("bm-{what}-{}", std::process::id())
}

/// An account that goes away with the test.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        for program in ["userdel", "groupdel"] {
            let _ = Command::new(program).arg(&self.0).output();
        }
    }
}

fn user(name: &str) -> SystemUser {
    let (home, shell) = ("/opt/none such".to_owned(), "/bin/false".to_owned());
    SystemUser { name: name.to_owned(), home, shell }
}

fn look(wanted: Wanted) -> Answer {
    match run(&SystemTask::Look(wanted)).unwrap() {
        Done::System(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_is_made_once_with_its_group_and_is_never_changed() {
    let name = unique("a");
    let _removed = Removed(name.clone());
    let wanted = Wanted { user: Some(name.clone()), ..Wanted::default() };
    assert_eq!(look(wanted.clone()).user, None);
    let task = SystemTask::MakeUser(user(&name));
    assert_eq!(run(&task).unwrap(), Done::Done);
    assert_eq!(look(wanted).user.as_deref(), Some("/opt/none such:/bin/false"));
    let owner = Some(format!("{name}:{name}"));
    assert!(look(Wanted { owner, ..Wanted::default() }).owner_exists);
    assert_eq!(run(&task).unwrap(), Done::Unchanged);
    let other = SystemUser { shell: "/bin/sh".to_owned(), ..user(&name) };
    let Done::Partly(lines) = run(&SystemTask::MakeUser(other)).unwrap() else { panic!("whole") };
    assert!(lines[0].contains("/bin/false, not /bin/sh"), "{lines:?}");
    assert!(!Path::new("/opt/none such").exists(), "a home was made");
}

#[test]
fn an_account_whose_group_is_there_already_joins_it() {
    let name = unique("g");
    let _removed = Removed(name.clone());
    assert!(Command::new("groupadd").args(["--system", &name]).status().unwrap().success());
    assert_eq!(run(&SystemTask::MakeUser(user(&name))).unwrap(), Done::Done);
    assert!(
        look(Wanted { owner: Some(format!("{name}:{name}")), ..Wanted::default() }).owner_exists
    );
}

#[test]
fn names_and_paths_that_are_none_are_refused_before_any_program_runs() {
    for name in ["", "-o", "a b", "a/b", "a:b", "x\ny", &"n".repeat(33)] {
        let refused = run(&SystemTask::MakeUser(user(name)));
        assert!(matches!(refused, Err(TaskError::Invalid { .. })), "{name:?}");
    }
    for home in ["relative", "/a:b", "/a\nb", "/a/../b"] {
        let account = SystemUser { home: home.to_owned(), ..user("fine") };
        let refused = run(&SystemTask::MakeUser(account));
        assert!(matches!(refused, Err(TaskError::Invalid { .. })), "{home:?}");
    }
}

fn permissions(owner: &str, mode: &str) -> Permissions {
    Permissions { owner: owner.to_owned(), mode: mode.to_owned() }
}

fn set(path: &Path, owner: &str, mode: &str) -> Result<Done, TaskError> {
    let (path, permissions) = (path.to_owned(), permissions(owner, mode));
    run(&SystemTask::SetPermissions { path, permissions })
}

fn owner(path: &Path) -> (u32, u32) {
    let data = path.symlink_metadata().unwrap();
    (data.uid(), data.gid())
}

const DAEMON: (u32, u32) = (1, 1);

#[test]
fn a_tree_gets_its_owner_and_its_top_alone_the_mode() {
    let dir = TempDir::new().unwrap();
    let top = dir.path().join("top");
    fs::create_dir_all(top.join("deep/er")).unwrap();
    fs::write(top.join("deep/er/file"), "x").unwrap();
    fs::write(top.join("secret"), "x").unwrap();
    fs::set_permissions(top.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(set(&top, "daemon:daemon", "2750").unwrap(), Done::Done);
    for path in ["", "deep", "deep/er", "deep/er/file", "secret"] {
        assert_eq!(owner(&top.join(path)), DAEMON, "{path}");
    }
    assert_eq!(top.metadata().unwrap().mode() & 0o7777, 0o2750);
    assert_eq!(top.join("secret").metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(set(&top, "daemon:daemon", "2750").unwrap(), Done::Unchanged);
    chown(top.join("secret"), Some(0), None).unwrap();
    assert_eq!(set(&top, "daemon", "2750").unwrap(), Done::Done);
    assert_eq!(owner(&top.join("secret")), DAEMON);
}

#[test]
fn nothing_outside_of_a_hostile_tree_changes_its_owner() {
    let dir = TempDir::new().unwrap();
    let (top, outside) = (dir.path().join("top"), dir.path().join("outside"));
    fs::create_dir_all(top.join("in")).unwrap();
    fs::create_dir(&outside).unwrap();
    for file in ["by-link", "by-name", "below"] {
        fs::write(outside.join(file), "x").unwrap();
    }
    symlink(outside.join("by-link"), top.join("link")).unwrap();
    symlink(&outside, top.join("in/dir")).unwrap();
    fs::hard_link(outside.join("by-name"), top.join("name")).unwrap();
    fs::write(top.join("one"), "x").unwrap();
    fs::hard_link(top.join("one"), top.join("in/two")).unwrap();
    let Done::Partly(lines) = set(&top, "daemon:daemon", "750").unwrap() else { panic!("whole") };
    assert_eq!(lines, ["/name has names outside of this tree, and was left alone"]);
    for file in ["", "by-link", "by-name", "below"] {
        assert_eq!(owner(&outside.join(file)), (0, 0), "{file}");
    }
    for file in ["link", "in/dir", "one", "in/two"] {
        assert_eq!(owner(&top.join(file)), DAEMON, "{file}");
    }
}

#[test]
fn a_top_that_is_a_link_or_that_a_strangers_link_leads_to_is_refused() {
    let dir = TempDir::new().unwrap();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("file"), "x").unwrap();
    let link = dir.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(matches!(set(&link, "daemon", "750"), Err(TaskError::Invalid { .. })));
    // Root's own link, where only root may write, is part of the machine.
    assert_eq!(set(&link.join("file"), "daemon", "640").unwrap(), Done::Done);
    std::os::unix::fs::lchown(&link, Some(1), Some(1)).unwrap();
    chown(real.join("file"), Some(0), Some(0)).unwrap();
    assert!(set(&link.join("file"), "daemon", "640").is_err());
    assert_eq!(owner(&real.join("file")), (0, 0));
}

#[test]
fn a_file_never_becomes_a_program_that_runs_as_its_owner() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(set(&file, "root:root", "4755"), Err(TaskError::Invalid { .. })));
    assert_eq!(file.metadata().unwrap().mode() & 0o6000, 0);
    for mode in ["", "7", "999", "u+s", "07777"] {
        assert!(matches!(set(&file, "root", mode), Err(TaskError::Invalid { .. })), "{mode}");
    }
    assert!(matches!(set(&file, "no-such-user", "640"), Err(TaskError::NotFound { .. })));
    assert!(matches!(set(&file, "root:no-such-group", "640"), Err(TaskError::NotFound { .. })));
}

/// A machine in a folder, with a unit file that was restored.
struct Scene {
    dir: TempDir,
    machine: Machine,
}

impl Scene {
    fn new(systemd: bool) -> Self {
        let dir = TempDir::new().unwrap();
        if systemd {
            fs::create_dir_all(dir.path().join("run/systemd/system")).unwrap();
        }
        let said = dir.path().join("said");
        let program = dir.path().join("systemctl");
        let script = format!("#!/bin/sh\necho \"$@\" >>{}\n", said.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let systemctl = program.to_str().unwrap().to_owned().leak();
        let machine = Machine { root: dir.path().to_owned(), systemctl };
        let scene = Self { dir, machine };
        fs::write(scene.file(), "[Service]\nExecStart=/bin/true\n").unwrap();
        scene
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("restored.service")
    }

    fn installed(&self, name: &str) -> std::path::PathBuf {
        self.machine.units().join(name)
    }

    fn install(&self, name: &str) -> Result<Done, TaskError> {
        let service_file = self.file().to_str().unwrap().to_owned();
        let service = SystemdService { name: name.to_owned(), service_file };
        with(|io| unit::install(&self.machine, &service, &self.file(), io))
    }

    /// What `systemctl` was asked since the last time.
    fn asked(&self) -> Vec<String> {
        let said = fs::read_to_string(self.dir.path().join("said")).unwrap_or_default();
        let _ = fs::remove_file(self.dir.path().join("said"));
        let front = "--no-ask-password --no-pager ";
        said.lines().map(|line| line.trim_start_matches(front).to_owned()).collect()
    }
}

#[test]
fn a_unit_is_installed_reloaded_enabled_and_started_and_left_alone_the_second_time() {
    let scene = Scene::new(true);
    assert_eq!(scene.install("hermes").unwrap(), Done::Done);
    let unit = scene.installed("hermes.service");
    assert_eq!(fs::read(&unit).unwrap(), fs::read(scene.file()).unwrap());
    assert_eq!((unit.metadata().unwrap().mode() & 0o7777, owner(&unit)), (0o644, (0, 0)));
    let three = ["daemon-reload", "enable -- hermes.service", "restart -- hermes.service"];
    assert_eq!(scene.asked(), three);
    // A run that was cut off after the file was there starts it all the same.
    assert_eq!(scene.install("hermes.service").unwrap(), Done::Unchanged);
    assert_eq!(scene.asked()[2], "start -- hermes.service");
    assert_eq!(fs::read_dir(scene.machine.units()).unwrap().count(), 1, "something is left over");
}

#[test]
fn without_systemd_a_unit_is_installed_and_enabled_but_not_started() {
    let scene = Scene::new(false);
    let Done::Partly(lines) = scene.install("hermes").unwrap() else { panic!("whole") };
    let line = "systemd does not run here: hermes.service is installed, not started";
    assert_eq!(lines, [line]);
    let root = format!("--root={} enable -- hermes.service", scene.dir.path().display());
    assert_eq!(scene.asked(), [root]);
    assert!(scene.installed("hermes.service").is_file());
}

#[test]
fn a_unit_file_that_could_be_another_file_of_the_machine_is_not_installed() {
    let scene = Scene::new(true);
    let secret = scene.dir.path().join("secret");
    fs::write(&secret, "root:hash").unwrap();
    let file = scene.file();
    let as_link = |()| symlink(&secret, &file).unwrap();
    let as_name = |()| fs::hard_link(&secret, &file).unwrap();
    let as_pipe = |()| {
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    };
    let as_dir = |()| fs::create_dir(&file).unwrap();
    let kinds: [&dyn Fn(()); 4] = [&as_link, &as_name, &as_pipe, &as_dir];
    for (number, make) in kinds.into_iter().enumerate() {
        let _ = fs::remove_file(&file);
        make(());
        let refused = scene.install("hermes");
        assert!(matches!(refused, Err(TaskError::Invalid { .. })), "{number}: {refused:?}");
    }
    fs::remove_dir(&file).unwrap();
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(scene.install("hermes").is_err());
    assert!(scene.asked().is_empty() && !scene.installed("hermes.service").exists());
}

#[test]
fn a_unit_name_with_a_path_in_it_or_a_masked_unit_is_refused() {
    let scene = Scene::new(true);
    for name in ["", "../x", "a/b", "/etc/x", ".x", "-x", "a b", "@", "x\ny"] {
        assert!(matches!(scene.install(name), Err(TaskError::Invalid { .. })), "{name:?}");
    }
    fs::create_dir_all(scene.machine.units()).unwrap();
    symlink("/dev/null", scene.installed("hermes.service")).unwrap();
    assert!(matches!(scene.install("hermes"), Err(TaskError::Conflict { .. })));
    assert!(scene.asked().is_empty());
    // A link of `systemctl link` is replaced, never written through.
    let elsewhere = scene.dir.path().join("elsewhere");
    fs::write(&elsewhere, "old").unwrap();
    symlink(&elsewhere, scene.installed("linked.service")).unwrap();
    assert_eq!(scene.install("linked").unwrap(), Done::Done);
    assert_eq!(fs::read(elsewhere).unwrap(), b"old");
}

#[test]
fn a_unit_that_does_not_start_is_a_failed_task() {
    let scene = Scene::new(true);
    let program = scene.dir.path().join("systemctl");
    fs::write(program, "#!/bin/sh\ncase \"$3\" in restart) echo no >&2; exit 3;; esac\n").unwrap();
    let failed = scene.install("hermes");
    assert!(matches!(failed, Err(TaskError::Failed { .. })), "{failed:?}");
}

#[test]
fn looking_says_what_is_there_and_how_much_room_there_is() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    let paths = ["", "file", "not/there"].map(|path| dir.path().join(path)).to_vec();
    let answer = look(Wanted { paths, owner: Some("no-such-user".into()), ..Wanted::default() });
    let seen: Vec<_> = answer.paths.iter().map(|at| (at.exists, at.is_directory)).collect();
    assert_eq!(seen, [(true, true), (true, false), (false, false)]);
    assert!(answer.paths.iter().all(|at| at.free_bytes > 0), "{answer:?}");
    assert!(!answer.owner_exists && answer.user.is_none() && !answer.unit_installed);
    let many = Wanted { paths: vec!["/".into(); LOOKED_PATHS_MAX + 1], ..Wanted::default() };
    assert!(matches!(run(&SystemTask::Look(many)), Err(TaskError::Invalid { .. })));
}
