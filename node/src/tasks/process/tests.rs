//! Real programs: `sh`, `cat`, `yes`, `head`, `sleep`, `id`.

use std::{
    fs,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use super::*;
use crate::tasks::Line;

const SHORT: Duration = Duration::from_millis(200);

/// Long enough that a test which waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

/// A caller that keeps what it is told.
#[derive(Default)]
struct Caller {
    lines: Vec<Line>,
    cancelled: AtomicBool,
}

impl Caller {
    fn run(&mut self, program: Program) -> Result<Ended, TaskError> {
        self.pass(program, None, None)
    }

    fn pass(
        &mut self,
        program: Program,
        input: Option<&mut (dyn io::Read + Send)>,
        output: Option<&mut (dyn Write + Send)>,
    ) -> Result<Ended, TaskError> {
        let lines = &mut self.lines;
        let cancelled = &self.cancelled;
        let mut line = |line| lines.push(line);
        let cancelled = || cancelled.load(Ordering::Relaxed);
        let input = input.map(|input| input as _);
        let output = output.map(|output| output as _);
        program.run(TaskIo { input, output, line: &mut line, cancelled: &cancelled })
    }

    fn told(&self, is_error: bool) -> Vec<&str> {
        let lines = self.lines.iter().filter(|line| line.is_error == is_error);
        lines.map(|line| line.text.as_str()).collect()
    }
}

fn sh(script: &str) -> Program {
    Program::new("sh").args(["-c", script])
}

fn run(program: Program) -> Result<Ended, TaskError> {
    Caller::default().run(program)
}

#[test]
fn both_channels_are_told_apart_and_kept_and_the_code_is_a_result() {
    let mut caller = Caller::default();
    let ended = caller.run(sh("echo out; echo err >&2; printf last; exit 3")).unwrap();
    assert_eq!(caller.told(false), ["out", "last"]);
    assert_eq!(caller.told(true), ["err"]);
    assert_eq!(ended.stdout, ["out", "last"]);
    let error = ended.success("sh").unwrap_err();
    assert_eq!(error.to_string(), "sh failed (exit code 3): err");
    let error = run(sh("kill -9 $$")).unwrap().success("sh").unwrap_err();
    assert_eq!(error.to_string(), "sh failed (signal 9): it said nothing");
    let error = run(sh("echo why; exit 1")).unwrap().success("sh").unwrap_err();
    assert!(error.to_string().ends_with(": why"));
    assert!(run(Program::new("true")).unwrap().success("true").is_ok());
}

#[test]
fn a_program_that_is_not_there_is_missing_and_one_that_cannot_start_says_why() {
    for name in ["no-such-program", "/no/such/program", "/etc/passwd", "/"] {
        let error = run(Program::new(name)).unwrap_err();
        assert!(matches!(&error, TaskError::Missing { program } if program == name), "{error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
    let error = run(Program::new(broken.to_str().unwrap())).unwrap_err();
    assert!(matches!(&error, TaskError::Start { .. }), "{error:?}");
    assert!(error.io().is_some());
}

#[test]
fn the_environment_is_the_fixed_one_and_what_was_added() {
    let ended = run(Program::new("env").env("ADDED", "yes").env("LANG", "C")).unwrap();
    let names: Vec<_> = ended.stdout.iter().filter_map(|line| line.split('=').next()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["ADDED", "HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "USER"]);
    assert!(ended.stdout.contains(&"LANG=C".to_owned()), "{:?}", ended.stdout);
    assert_eq!(run(Program::new("pwd")).unwrap().stdout, ["/"]);
    assert_eq!(run(Program::new("cat")).unwrap().stdout, [""; 0], "it has no input");
}

#[test]
fn a_program_runs_as_another_user_with_its_groups_and_home_and_no_more() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let script = "id -u; id -g; id -G; echo $HOME $USER; echo $0";
    let ended = run(sh(script).arg("x y").user("nobody")).unwrap().success("sh").unwrap();
    assert_eq!(ended.stdout, ["65534", "65534", "65534", "/nonexistent nobody", "x y"]);
    let error = run(sh("cat /etc/shadow").user("nobody")).unwrap().success("sh").unwrap_err();
    assert!(error.to_string().contains("denied"), "{error}");
    let error = run(sh("true").user("no-such-user")).unwrap_err();
    assert!(matches!(error, TaskError::NotFound { .. }), "{error:?}");
    let error = run(Program::new("no-such-program").user("nobody")).unwrap_err();
    assert!(matches!(&error, TaskError::Missing { program } if program == "no-such-program"));
}

#[test]
fn secrets_are_in_no_line_and_no_error() {
    let mut caller = Caller::default();
    let program = sh("echo pw=$P; echo $P >&2; exit 1").env("P", "hunter2").secret("hunter2");
    let ended = caller.run(program).unwrap();
    let all = format!("{:?} {ended:?}", caller.lines);
    assert!(!all.contains("hunter2") && all.contains("pw=***"), "{all}");
    let error = ended.success("sh").unwrap_err();
    assert_eq!(error.to_string(), "sh failed (exit code 1): ***");
}

#[test]
fn much_data_passes_through_both_ways_at_once() {
    let data: Vec<u8> = (0..10_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let mut through = Vec::new();
    let (mut input, mut caller) = (data.as_slice(), Caller::default());
    let ended = caller.pass(Program::new("cat"), Some(&mut input), Some(&mut through)).unwrap();
    assert_eq!((ended.code, ended.stdout.len()), (0, 0));
    assert!(through == data, "{} of {} bytes", through.len(), data.len());
}

#[test]
fn a_program_that_wants_only_some_of_its_input_is_judged_by_its_code() {
    let mut out = Vec::new();
    for (script, code) in [("head -c 3", 0), ("exec <&-; exit 4", 4), ("exec true", 0)] {
        let mut endless = io::repeat(b'y');
        let mut caller = Caller::default();
        let ended = caller.pass(sh(script), Some(&mut endless), Some(&mut out)).unwrap();
        assert_eq!(ended.code, code, "{script}");
    }
    assert_eq!(out, b"yyy");
}

/// Breaks after some bytes, whichever way it is used.
struct Breaks {
    left: usize,
}

impl io::Read for Breaks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.left.min(into.len());
        self.left -= bytes;
        into[..bytes].fill(b'\n');
        if bytes == 0 { Err(io::Error::other("holder bob went away")) } else { Ok(bytes) }
    }
}

impl Write for Breaks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn input_that_breaks_off_never_looks_as_if_it_had_ended() {
    let folder = tempfile::tempdir().unwrap();
    let committed = folder.path().join("committed");
    // It does not end when it is asked to, as a program that is writing does not.
    let script = format!("trap '' TERM; cat >/dev/null; touch {}", committed.display());
    let mut caller = Caller::default();
    let error = caller.pass(sh(&script).grace(SHORT), Some(&mut Breaks { left: 9 }), None);
    let error = error.unwrap_err();
    assert!(matches!(&error, TaskError::Data(why) if why.to_string().contains("bob")), "{error:?}");
    assert!(!committed.exists());
}

#[test]
fn output_that_is_not_taken_stops_the_program() {
    let mut full = Breaks { left: 1 << 20 };
    let mut caller = Caller::default();
    let error = caller.pass(Program::new("yes"), None, Some(&mut full)).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), io::ErrorKind::StorageFull, "{error:?}");
}

/// Whether a process that was killed, but has another parent, ends.
fn ends(pid: &str) -> bool {
    let begun = Instant::now();
    while is_alive(pid) && begun.elapsed() < LONG {
        std::thread::yield_now();
    }
    !is_alive(pid)
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_silent_program_is_stopped_with_all_it_started_when_its_time_is_over() {
    let mut caller = Caller::default();
    let program = sh("sleep 1000 >/dev/null 2>&1 & echo $!; wait").limit(SHORT).grace(LONG);
    let begun = Instant::now();
    let error = caller.run(program).unwrap_err();
    assert!(matches!(error, TaskError::TimedOut { .. }), "{error:?}");
    assert!(begun.elapsed() < LONG, "it did as it was asked");
    assert!(ends(caller.told(false)[0]));
}

#[test]
fn a_program_that_will_not_end_is_killed_after_its_grace() {
    let mut caller = Caller::default();
    let script = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
    let error = caller.run(sh(script).limit(SHORT).grace(SHORT)).unwrap_err();
    assert!(matches!(error, TaskError::TimedOut { .. }), "{error:?}");
    assert!(ends(caller.told(false)[0]));
}

#[test]
fn cancelling_stops_a_program_whether_it_is_silent_or_talks() {
    for script in ["echo $$; exec sleep 1000", "echo $$; exec yes"] {
        let cancelled = AtomicBool::new(false);
        let mut pid = String::new();
        let mut line = |line: Line| {
            if pid.is_empty() {
                pid = line.text;
                cancelled.store(true, Ordering::Relaxed);
            }
        };
        let is_cancelled = || cancelled.load(Ordering::Relaxed);
        let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &is_cancelled };
        let error = sh(script).limit(LONG).run(io).unwrap_err();
        assert!(matches!(error, TaskError::Cancelled), "{error:?}");
        assert!(!is_alive(&pid), "{script}");
    }
    let caller = &mut Caller { cancelled: AtomicBool::new(true), ..Caller::default() };
    assert!(matches!(caller.run(sh("echo started")), Err(TaskError::Cancelled)));
    assert!(caller.lines.is_empty());
}

#[test]
fn what_a_program_leaves_running_does_not_keep_the_caller_and_lives_on() {
    let mut caller = Caller::default();
    let ended = caller.run(sh("sleep 1000 & echo $!")).unwrap();
    assert_eq!(ended.code, 0);
    let said = caller.told(true);
    assert!(said.len() == 1 && said[0].contains("no longer listened to"), "{said:?}");
    let pid = caller.told(false)[0];
    assert!(is_alive(pid));
    run(sh("kill $0").arg(pid)).unwrap().success("kill").unwrap();
}

#[test]
fn data_is_not_complete_while_something_may_still_add_to_it() {
    let (mut data, mut caller) = (Vec::new(), Caller::default());
    let error = caller.pass(sh("sleep 1000 & echo all"), None, Some(&mut data)).unwrap_err();
    assert!(matches!(&error, TaskError::Data(why) if why.to_string().contains("keeps")));
}
