//! Asking the driver.

use std::path::Path;

use node::tasks::{
    Line, TaskError, TaskIo,
    yunohost::{Answer, Selection, TargetState, Yunohost, YunohostTask},
};
use tests::support::yunohost::Machine;

/// What came of a task, and the lines that were told.
pub(crate) struct Asked {
    pub(crate) result: Result<Answer, TaskError>,
    pub(crate) lines: Vec<Line>,
}

impl Asked {
    /// All lines, for looking into.
    pub(crate) fn told(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    pub(crate) fn answer(self) -> Answer {
        let told = self.told();
        self.result.unwrap_or_else(|error| panic!("{error}\n{told}"))
    }

    pub(crate) fn error(self) -> TaskError {
        let told = self.told();
        self.result.expect_err(&told)
    }

    /// The states of the targets, of an archive that was made or put back.
    pub(crate) fn targets(self) -> Vec<(String, TargetState)> {
        match self.answer() {
            Answer::Created { targets, .. } | Answer::Restored { targets } => {
                targets.into_iter().collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Has a task done.
pub(crate) fn ask(machine: &Machine, task: &YunohostTask) -> Asked {
    stop_when(machine, task, || false)
}

/// Has a task done until the caller wants no more.
pub(crate) fn stop_when(
    machine: &Machine,
    task: &YunohostTask,
    cancelled: impl Fn() -> bool + Sync,
) -> Asked {
    let program = machine.program().into_os_string().into_string().expect("a plain path");
    let driver = Yunohost::with_archives(&machine.archives()).program(program);
    let driver = driver.lock(machine.lock());
    let mut lines = Vec::new();
    let mut line = |line| lines.push(line);
    let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &cancelled };
    let result = driver.perform(task, io);
    Asked { result, lines }
}

pub(crate) fn app(id: &str) -> Selection {
    Selection::App(id.to_owned())
}

pub(crate) fn parts(names: &[&str]) -> Selection {
    Selection::System(names.iter().map(|&name| name.to_owned()).collect())
}

pub(crate) fn create(name: &str, what: Selection) -> YunohostTask {
    let (name, description) = (name.to_owned(), "made by a test".to_owned());
    YunohostTask::Create { name, description, what, core_only: false }
}

pub(crate) fn restore(name: &str, what: Selection) -> YunohostTask {
    YunohostTask::Restore { name: name.to_owned(), what }
}

/// The names in a folder, sorted; none when it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.map(|entry| entry.expect("listed").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("plain")).collect();
    names.sort();
    names
}
