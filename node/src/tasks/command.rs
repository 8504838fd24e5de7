//! Commands that administrators write into jobs: `before`, `after` and post-restore ones.
//!
//! A command is a line for `sh -c`, run with the rights of the agent or of a user that it names. Its
//! variables often are passwords, so their values are blacked out in all that it says, the short
//! ones excepted, which would black out half of the words.

use std::{fmt::Write as _, time::Duration};

use protocol::job::{COMMAND_SECONDS_MAX, Command};

use super::{Answer, TaskError, TaskIo, process::Program};

/// The shell.
const SHELL: &str = "sh";

/// The longest value of a variable that is not taken for a secret, bytes.
const OPEN_VALUE_BYTES_MAX: usize = 5;

/// The variables that this program sets itself, whose values are no secrets: the job, the number of
/// its run, and for what comes after it how it ended and the archive that it made.
pub const OWN_VARIABLES: [&str; 4] =
    ["BACKUPMANAGER_JOB", "BACKUPMANAGER_RUN", "BACKUPMANAGER_STATE", "BACKUPMANAGER_ARCHIVE"];

pub(super) fn perform(command: &Command, io: TaskIo<'_>) -> Result<Answer, TaskError> {
    check(command)?;
    let seconds = command.timeout_s.clamp(1, COMMAND_SECONDS_MAX);
    let mut program = Program::new(SHELL)
        .args(["-c", &command.run])
        .limit(Duration::from_secs(u64::from(seconds)));
    if let Some(user) = &command.user {
        program = program.user(user);
    }
    for (name, value) in &command.env {
        program = program.env(name, value);
        if value.len() > OPEN_VALUE_BYTES_MAX && !OWN_VARIABLES.contains(&name.as_str()) {
            program = program.secret(value);
        }
    }
    program.run(io)?.success("the command")?;
    Ok(Answer::Done)
}

/// What the system cannot pass to a program.
fn check(command: &Command) -> Result<(), TaskError> {
    let mut wrong = String::new();
    if command.run.is_empty() || command.run.contains('\0') {
        wrong.push_str("a command is empty or has a zero byte");
    }
    for (name, value) in &command.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let _never = write!(wrong, "the variable {name:?} cannot be set");
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(TaskError::Invalid { what: wrong }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Line;

    fn run(command: &Command) -> (Result<Answer, TaskError>, Vec<Line>) {
        let mut lines = Vec::new();
        let mut line = |said| lines.push(said);
        let io = TaskIo { input: None, output: None, line: &mut line, cancelled: &|| false };
        (perform(command, io), lines)
    }

    #[test]
    fn a_command_is_a_line_for_the_shell_with_its_variables() {
        let mut command = Command::new("test \"$A\" = 'x y' && echo \"$A\" | tr a-z A-Z");
        command.env.insert("A".into(), "x y".into());
        let (result, lines) = run(&command);
        assert_eq!(result.unwrap(), Answer::Done);
        assert_eq!(lines, [Line { is_error: false, text: "X Y".into() }]);
    }

    #[test]
    fn a_command_that_fails_says_its_last_lines_without_the_values_of_its_variables() {
        let mut command = Command::new("echo \"denied for $PW by $BACKUPMANAGER_JOB\" >&2; exit 7");
        command.env.insert("PW".into(), "hunter22".into());
        command.env.insert("BACKUPMANAGER_JOB".into(), "documents".into());
        let (result, lines) = run(&command);
        let error = result.unwrap_err().to_string();
        assert_eq!(error, "the command failed (exit code 7): denied for *** by documents");
        assert_eq!(lines[0].text, "denied for *** by documents");
        command.run = "echo $PW".into();
        command.env.insert("PW".into(), "short".into());
        assert_eq!(run(&command).1[0].text, "short");
    }

    #[test]
    fn a_command_has_a_time_limit_and_a_user() {
        let slow = Command { timeout_s: 1, ..Command::new("sleep 1000") };
        let error = run(&slow).0.unwrap_err();
        assert!(matches!(error, TaskError::TimedOut { seconds: 1, .. }), "{error:?}");
        if rustix::process::geteuid().is_root() {
            let other = Command { user: Some("nobody".into()), ..Command::new("id -un") };
            assert_eq!(run(&other).1[0].text, "nobody");
        }
        let nobody = Command { user: Some("no-such-user".into()), ..Command::new("true") };
        assert!(matches!(run(&nobody).0, Err(TaskError::NotFound { .. })));
    }

    #[test]
    fn what_no_program_can_be_given_is_refused() {
        for (name, value) in [("A=B", "x"), ("", "x"), ("A", "x\0")] {
            let mut command = Command::new("true");
            command.env.insert(name.into(), value.into());
            assert!(matches!(run(&command).0, Err(TaskError::Invalid { .. })), "{name}");
        }
        assert!(matches!(run(&Command::new("a\0b")).0, Err(TaskError::Invalid { .. })));
    }
}
