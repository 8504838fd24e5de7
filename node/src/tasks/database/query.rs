//! Running the servers' programs: with data passing through, or for a short answer.

use std::{
    io::{self, Read, Write},
    sync::{Mutex, PoisonError},
};

use super::super::{
    Line, TaskError, TaskIo,
    process::{Ended, Program},
};

/// The longest answer to a question about a server, bytes: the definitions of every routine,
/// trigger and view of one database.
pub(super) const ANSWER_BYTES_MAX: usize = 256 << 20;

type Say<'a> = &'a mut (dyn FnMut(Line) + Send);

/// Who listens to the programs of a task, several of which may run at once.
pub(super) struct Talk<'a> {
    pub(super) line: Mutex<Say<'a>>,
    pub(super) cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Talk<'_> {
    /// Runs a program to its end, whatever its exit code.
    pub(super) fn run(
        &self,
        program: Program,
        input: Option<&mut (dyn Read + Send)>,
        output: Option<&mut (dyn Write + Send)>,
    ) -> Result<Ended, TaskError> {
        let mut line = |said| {
            let mut tell = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            (*tell)(said);
        };
        let input = input.map(|input| input as &mut (dyn Read + Send));
        let output = output.map(|output| output as &mut (dyn Write + Send));
        program.run(TaskIo { input, output, line: &mut line, cancelled: self.cancelled })
    }

    /// What a program writes when it is told this. Its error lines are in the error alone.
    pub(super) fn ask(
        &self,
        name: &str,
        program: Program,
        told: &str,
    ) -> Result<String, TaskError> {
        answer(name, program, told, self.cancelled)
    }
}

/// Tells a program something that has to be done even when the caller wants no more: cleaning up.
pub(super) fn insist(name: &str, program: Program, told: &str) -> Result<String, TaskError> {
    answer(name, program, told, &|| false)
}

fn answer(
    name: &str,
    program: Program,
    told: &str,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<String, TaskError> {
    let mut said = Answer(Vec::new());
    let io = TaskIo {
        input: Some(&mut told.as_bytes()),
        output: Some(&mut said),
        line: &mut |_| {},
        cancelled,
    };
    program.run(io)?.success(name)?;
    String::from_utf8(said.0).map_err(|_| TaskError::Nonsense {
        program: name.to_owned(),
        why: "its answer is not UTF-8".to_owned(),
    })
}

/// Keeps what is written, up to [`ANSWER_BYTES_MAX`].
struct Answer(Vec<u8>);

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the answer is longer than any should be"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
