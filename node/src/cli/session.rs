//! One command's talk with its daemon: asks, shows progress, hears Ctrl-C, prints the answer.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

use protocol::control::{Asked, Failure, FailureCode, NodeRef, Reply, Request};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Global,
    exit::{Exit, Stop},
    format::Style,
    order::OrderFor,
    progress::{Reporter, Shown},
    view,
};
use crate::socket::{self, Cancel, CancelSwitch};

/// What a command needs to ask and to answer.
pub(super) struct Session {
    pub(super) socket: PathBuf,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) style: Style,
    of: Option<NodeRef>,
    /// Whom what is asked is an order for.
    order: Option<OrderFor>,
    warnings: u64,
}

impl Session {
    pub(super) fn new(socket: PathBuf, global: &Global) -> Self {
        let Global { json, quiet, ref of, ref order, .. } = *global;
        let (of, order, style) = (of.clone(), order.clone(), Style::system());
        Self { socket, json, quiet, style, of, order, warnings: 0 }
    }

    /// Whether what is asked is an order for another node.
    pub(super) fn orders(&self) -> bool {
        self.order.is_some()
    }

    /// Asks, and prints the answer.
    pub(super) fn run(&mut self, request: Request) -> Result<Exit, Stop> {
        let reply = self.ask(request)?;
        self.print(&reply)
    }

    /// Asks; events are shown, Ctrl-C asks the daemon to stop and waits for its answer.
    pub(super) fn ask(&mut self, request: Request) -> Result<Reply, Stop> {
        let request = match &self.order {
            Some(order) => order.order(request)?,
            None => request,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut reporter = Reporter::new(Shown::choose(self.quiet || self.json));
        let (switch, cancel) = CancelSwitch::new();
        let answer = runtime.block_on(async {
            tokio::spawn(heed_signals(switch));
            let asked = Asked { of: self.of.clone(), request };
            socket::ask(&self.socket, asked, &cancel, |event| reporter.event(event)).await
        });
        reporter.finish();
        self.warnings += reporter.warnings();
        self.end(answer?, &cancel)
    }

    fn end(&mut self, answer: Result<Reply, Failure>, cancel: &Cancel) -> Result<Reply, Stop> {
        match answer {
            Ok(reply) if cancel.is_set() => {
                self.print(&reply)?;
                Err(Stop::Interrupted(None))
            }
            Ok(reply) => Ok(reply),
            Err(failure) if cancel.is_set() => Err(Stop::Interrupted(Some(failure))),
            Err(failure) => Err(Stop::Failure(failure)),
        }
    }

    /// Prints an answer: as one JSON document, or for people.
    pub(super) fn print(&mut self, reply: &Reply) -> Result<Exit, Stop> {
        if self.json {
            self.print_json(reply)?;
        } else {
            self.print_text(&view::text(reply, &self.style))?;
        }
        Ok(self.exit(reply))
    }

    /// The exit code after an answer.
    pub(super) fn exit(&self, reply: &Reply) -> Exit {
        match Exit::from(reply.outcome()) {
            Exit::Done if self.warnings > 0 => Exit::Warnings,
            exit => exit,
        }
    }

    pub(super) fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Stop> {
        let json = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
        self.print_text(&(json + "\n"))
    }

    pub(super) fn print_text(&self, text: &str) -> Result<(), Stop> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Something for the person at the terminal, not for a script that reads the output.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Whether there is a person at a terminal.
    #[expect(clippy::unused_self, reason = "what asks is the session")]
    pub(super) fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks the person at the terminal. Without one, or with `--yes`, the command line is the answer.
    pub(super) fn confirm(&self, yes: bool, question: &str) -> Result<(), Stop> {
        if yes || !self.can_ask() {
            return Ok(());
        }
        let mut err = std::io::stderr();
        write!(err, "{question} [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes" | "o" | "oui") {
            return Ok(());
        }
        let why = "it was not confirmed";
        Err(Stop::Failure(Failure::new(FailureCode::Cancelled, "nothing was done", why)))
    }
}

/// The first signal asks to stop; the second leaves at once.
async fn heed_signals(switch: CancelSwitch) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for round in 0.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if round > 0 {
            std::process::exit(Exit::Interrupted as i32);
        }
        switch.cancel();
        let _ = writeln!(
            std::io::stderr(),
            "\nstopping; press Ctrl-C again to leave without waiting for the daemon"
        );
    }
}
