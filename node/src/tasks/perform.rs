//! Who does which task.

use super::{Answer, Task, TaskError, TaskIo, command, database, system, yunohost};

/// Does a task with the rights of this process.
///
/// # Errors
/// When it cannot be done, was stopped, or took too long.
pub fn perform(task: &Task, io: TaskIo<'_>) -> Result<Answer, TaskError> {
    match task {
        Task::Command(command) => command::perform(command, io),
        Task::Yunohost(task) => {
            yunohost::Yunohost::default().perform(task, io).map(Answer::Yunohost)
        }
        Task::Database(task) => database::perform(task, io).map(Answer::Database),
        Task::System(task) => system::perform(task, io),
    }
}
