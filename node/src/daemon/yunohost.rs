//! Which YunoHost runs here: asked when the node starts and every hour, so that nobody who wants to
//! know has to wait for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::node::{Node, blocking};
use crate::{
    agent::{AgentError, FailureKind},
    replicate::Cancel,
    tasks::{Answer, Line, Task, TaskIo, yunohost},
};

/// How often is asked again: YunoHost is upgraded while this node runs.
const ASK_EVERY: Duration = Duration::from_secs(3_600);

/// What is known of it.
#[derive(Debug, Default)]
pub struct KnownYunohost(Mutex<Option<String>>);

impl KnownYunohost {
    /// Its version, as it was last told; none where there is none, or while nothing is known.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.lock().clone()
    }

    fn note(&self, told: &Result<Answer, AgentError>) {
        match told {
            Ok(Answer::Yunohost(yunohost::Answer::Version(version))) => {
                *self.lock() = Some(version.clone());
            }
            Err(error) if error.kind() == FailureKind::Missing => *self.lock() = None,
            // Its database is locked, the agent is being upgraded: what was known holds.
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its version, asked for where it is not known. Blocks.
pub(super) fn version(node: &Node) -> Option<String> {
    node.yunohost.version().or_else(|| {
        ask(node, &|| false);
        node.yunohost.version()
    })
}

fn ask(node: &Node, cancelled: &(dyn Fn() -> bool + Sync)) {
    let task = Task::Yunohost(yunohost::YunohostTask::Version);
    let mut line = |_: Line| {};
    let io = TaskIo { input: None, output: None, line: &mut line, cancelled };
    node.yunohost.note(&node.agent.perform(&task, io));
}

/// Runs until the node stops.
pub(super) async fn run(node: Arc<Node>, stop: Cancel) {
    loop {
        let asked = blocking({
            let (node, stop) = (Arc::clone(&node), stop.clone());
            move || {
                ask(&node, &|| stop.is_cancelled());
                Ok(())
            }
        });
        // That nobody could be asked is no news; a panic is in the log already.
        drop(asked.await);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskError;

    #[test]
    fn a_version_holds_until_there_is_another_or_none() {
        let known = KnownYunohost::default();
        assert_eq!(known.version(), None);
        let told = |text: &str| Ok(Answer::Yunohost(yunohost::Answer::Version(text.to_owned())));
        known.note(&told("12.1.17"));
        known.note(&Err(AgentError::Unexpected));
        assert_eq!(known.version().as_deref(), Some("12.1.17"));
        known.note(&told("12.1.18"));
        assert_eq!(known.version().as_deref(), Some("12.1.18"));
        known.note(&Err(AgentError::from(TaskError::Missing { program: "yunohost".into() })));
        assert_eq!(known.version(), None);
    }
}
