//! One call of the command: what it is given, what it says, how it ended.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{LOCK_SECONDS, Yunohost};
use crate::tasks::{Line, TaskError, TaskIo, process::Program};

/// How long a question may take: `app list --full` of a small machine with many apps.
const QUESTION: Duration = Duration::from_secs(300);

/// How long a change may take besides waiting for the lock: the backup of a large app.
const CHANGE: Duration = Duration::from_secs(48 * 3_600);

/// How many of its last lines an error repeats.
const REPEATED_LINES_MAX: usize = 8;

/// What it says when another operation did not end in time.
const BUSY: &str = "There is already a YunoHost operation running";

/// The caller: its ear, and whether it still wants anything.
pub(super) struct Talk<'a> {
    line: Mutex<&'a mut (dyn FnMut(Line) + Send)>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Talk<'a> {
    pub(super) fn new(io: TaskIo<'a>) -> Self {
        Self { line: Mutex::new(io.line), cancelled: io.cancelled }
    }

    pub(super) fn tell(&self, line: Line) {
        (self.line.lock().unwrap_or_else(PoisonError::into_inner))(line);
    }
}

/// What one call said so far, also when it did not end well.
#[derive(Default)]
pub(super) struct Heard {
    /// It said something on its standard output: it has the lock and is at work.
    pub(super) begun: bool,
    code: i32,
    answer: String,
    errors: VecDeque<String>,
    others: VecDeque<String>,
}

impl Heard {
    /// What went wrong, in its words.
    pub(super) fn errors(&self) -> String {
        let lines = if self.errors.is_empty() { &self.others } else { &self.errors };
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn code(&self) -> i32 {
        self.code
    }

    /// Takes the lines of a standard output: the last that says anything is the answer.
    pub(super) fn end(&mut self, stdout: Vec<String>) {
        let last = stdout.into_iter().rev().find(|line| !line.trim().is_empty());
        self.answer = last.unwrap_or_default();
    }

    fn hear(&mut self, line: &Line) {
        let text = line.text.trim();
        if !line.is_error {
            self.begun |= !text.is_empty();
            return;
        }
        let error = text.strip_prefix("ERROR ");
        let kept = if error.is_some() { &mut self.errors } else { &mut self.others };
        if kept.len() == REPEATED_LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(error.unwrap_or(text).to_owned());
    }
}

/// Whether a line is for people, rather than an answer.
fn is_told(line: &Line) -> bool {
    line.is_error || !line.text.trim_start().starts_with('{')
}

/// A call to make.
pub(super) struct Call {
    program: String,
    arguments: Vec<String>,
    changes: bool,
    core_only: bool,
}

impl Yunohost {
    /// A question: `["app", "list"]`.
    pub(super) fn question(&self, words: &[&str]) -> Call {
        let arguments = words.iter().map(|&word| word.to_owned()).collect();
        Call { program: self.program.clone(), arguments, changes: false, core_only: false }
    }

    /// Something that waits for the lock, and changes the machine.
    pub(super) fn change(&self, words: &[&str]) -> Call {
        Call { changes: true, ..self.question(words) }
    }
}

impl Call {
    pub(super) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(super) fn args(mut self, arguments: &[String]) -> Self {
        self.arguments.extend_from_slice(arguments);
        self
    }

    pub(super) fn core_only(mut self, core_only: bool) -> Self {
        self.core_only = core_only;
        self
    }

    /// The command as errors name it.
    pub(super) fn name(&self) -> String {
        format!("yunohost {}", self.arguments[..2].join(" "))
    }

    /// Makes the call; what it says is in `heard`, whether it ends well or not.
    pub(super) fn make(&self, talk: &Talk<'_>, heard: &mut Heard) -> Result<(), TaskError> {
        let lock = Duration::from_secs(LOCK_SECONDS.into());
        let limit = if self.changes { CHANGE + lock } else { QUESTION };
        let mut program = Program::new(&self.program).args(&self.arguments).limit(limit);
        program = program.args(["--output-as", "json"]);
        if self.changes {
            program = program.arg("--timeout").arg(LOCK_SECONDS.to_string());
        }
        if self.core_only {
            program = program.env("BACKUP_CORE_ONLY", "1");
        }
        let mut line = |line: Line| {
            heard.hear(&line);
            if is_told(&line) && (self.changes || line.is_error) {
                talk.tell(line);
            }
        };
        let io = TaskIo { input: None, output: None, line: &mut line, cancelled: talk.cancelled };
        let ended = program.run(io)?;
        heard.code = ended.code;
        heard.end(ended.stdout);
        Ok(())
    }

    /// Makes the call; nothing but exit code 0 will do.
    pub(super) fn run(&self, talk: &Talk<'_>, heard: &mut Heard) -> Result<(), TaskError> {
        self.make(talk, heard)?;
        if heard.code == 0 { Ok(()) } else { Err(self.failure(heard)) }
    }

    /// Makes the call and takes its answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, talk: &Talk<'_>) -> Result<T, TaskError> {
        let mut heard = Heard::default();
        self.run(talk, &mut heard)?;
        self.answer(&heard)
    }

    /// The answer that a call gave.
    pub(super) fn answer<T: DeserializeOwned>(&self, heard: &Heard) -> Result<T, TaskError> {
        let nonsense = |why: String| TaskError::Nonsense { program: self.name(), why };
        let answer = heard.answer.trim();
        if !answer.starts_with('{') {
            return Err(nonsense("its last line is no answer".to_owned()));
        }
        // Where it fails is told, what it has is not: there may be secrets in it.
        serde_json::from_str(answer).map_err(|error| {
            let kind = format!("{:?}", error.classify()).to_lowercase();
            nonsense(format!("{kind} error at byte {} of its answer", error.column()))
        })
    }

    /// Why a call with another exit code than 0 did not do it.
    pub(super) fn failure(&self, heard: &Heard) -> TaskError {
        let said = heard.errors();
        if said.contains(BUSY) {
            return TaskError::Busy { what: said };
        }
        let status = match heard.code {
            code @ 0.. => format!("exit code {code}"),
            signal => format!("signal {}", signal.unsigned_abs()),
        };
        TaskError::Failed { program: self.name(), status, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Yunohost::default().change(&["backup", "create"])
    }

    fn line(is_error: bool, text: &str) -> Line {
        Line { is_error, text: text.to_owned() }
    }

    #[test]
    fn no_answer_and_half_an_answer_are_nonsense_that_repeats_nothing() {
        for answer in ["INFO a", "", "{\"secret\": \"hunter2", "{}x", "[1]", "{1}", "1"] {
            let heard = Heard { answer: answer.to_owned(), ..Heard::default() };
            let answer: Result<serde_json::Value, _> = call().answer(&heard);
            let error = answer.expect_err("no answer");
            assert!(matches!(error, TaskError::Nonsense { .. }), "{error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let heard = Heard { answer: " {\"a\": 1}\r".to_owned(), ..Heard::default() };
        let answer: serde_json::Value = call().answer(&heard).expect("an answer");
        assert_eq!(answer, serde_json::json!({"a": 1}));
    }

    #[test]
    fn errors_are_told_before_other_lines_and_only_the_last() {
        let mut heard = Heard::default();
        heard.hear(&line(true, "Traceback (most recent call last):"));
        assert_eq!(heard.errors(), "Traceback (most recent call last):");
        (0..20).for_each(|n| heard.hear(&line(true, &format!("ERROR {n}"))));
        assert_eq!(heard.errors(), "12; 13; 14; 15; 16; 17; 18; 19");
        assert!(!heard.begun, "warnings come while it waits, too");
        heard.hear(&line(false, " "));
        assert!(!heard.begun);
        heard.hear(&line(false, "INFO Collecting"));
        assert!(heard.begun);
        heard
            .hear(&line(true, "ERROR There is already a YunoHost operation running. Please wait."));
        assert!(matches!(call().failure(&heard), TaskError::Busy { .. }));
    }

    #[test]
    fn answers_are_not_for_people() {
        assert!(!is_told(&line(false, "{\"apps\": []}")));
        assert!(is_told(&line(false, "INFO { not an answer }")));
        assert!(is_told(&line(true, "{")));
    }
}
