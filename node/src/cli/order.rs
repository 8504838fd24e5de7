//! `backupmanager order …`

use clap::{Args, Parser as _, Subcommand};
use protocol::{
    OrderId,
    control::{NodeRef, ORDER_MS_MAX, OrderIssue, Request},
};

use super::{Cli, Command, Exit, Global, Programs, Stop, value};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager order issue tom job run docs
  backupmanager order issue --within 2h tom store gc
  backupmanager order list
  backupmanager order cancel 0f1e2d3c4b5a69788796a5b4c3d2e1f0";

#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Have another node do something once, now or when it is up again
    Issue(Issue),
    /// Orders of this node and for it, newest first
    #[command(after_help = "\
Examples:
  backupmanager order list
  backupmanager order list --json | jq '.orders[] | select(.state == \"refused\")'")]
    List,
    /// One order: how far it is, what came of it
    #[command(after_help = "\
Examples:
  backupmanager order show 0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    Show(Which),
    /// Take an order back that nobody has begun
    #[command(after_help = "\
Examples:
  backupmanager order cancel 0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    Cancel(Which),
}

/// Which order.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Which {
    /// Its id, as `order list` shows it
    order: OrderId,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager order issue tom job run docs --wait
  backupmanager order issue --within 2h tom retention apply docs
  backupmanager order issue tom archive restore tom_docs_20261121 --to /tmp/docs --yes

What can be ordered: job add, run, remove; run cancel; retention apply; archive restore (with --yes),
pin, unpin, transfer; store check, gc. The node does it once, if it grants that to this one; `order show`
says what came of it. Only the two nodes can read the order.")]
pub(super) struct Issue {
    /// For how long it may be begun, such as 2h or 7d; at most 30d
    #[arg(long, value_parser = within_ms, value_name = "TIME", default_value = "7d")]
    within: u64,
    /// Name of the node, or its whole key
    node: NodeRef,
    /// A command as one would type it there
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

fn within_ms(text: &str) -> Result<u64, String> {
    let ms = value::duration_ms(text).map_err(|error| error.to_string())?;
    if (1..=ORDER_MS_MAX).contains(&ms) { Ok(ms) } else { Err("at most 30d".to_owned()) }
}

/// Whom a command is an order for, instead of something for the daemon here.
#[derive(Clone, Debug)]
pub(super) struct OrderFor {
    node: NodeRef,
    within_ms: u64,
}

impl OrderFor {
    /// The order to do this.
    pub(super) fn order(&self, request: Request) -> Result<Request, Stop> {
        if request.order_word().is_none() {
            return Err(no_order());
        }
        let (node, within_ms) = (self.node.clone(), self.within_ms);
        Ok(Request::OrderIssue(Box::new(OrderIssue { node, request, within_ms })))
    }
}

impl Order {
    pub(super) fn run(self, global: &Global, programs: &Programs) -> Result<Exit, Stop> {
        let request = match self {
            Self::Issue(issue) => return issue.run(global, programs),
            Self::List => Request::OrderList,
            Self::Show(Which { order }) => Request::OrderShow { order },
            Self::Cancel(Which { order }) => Request::OrderCancel { order },
        };
        global.session().run(request)
    }
}

impl Issue {
    /// Reads the command as this program would, and sends what it asks as an order.
    fn run(self, global: &Global, programs: &Programs) -> Result<Exit, Stop> {
        let name = std::iter::once("backupmanager".to_owned());
        let cli = match Cli::try_parse_from(name.chain(self.command)) {
            Ok(cli) => cli,
            Err(error) => {
                let _ = error.print();
                return Ok(if error.use_stderr() { Exit::Usage } else { Exit::Done });
            }
        };
        // The others do something here, or only look.
        let ordered = matches!(
            cli.command,
            Command::Job(_)
                | Command::Run(_)
                | Command::Retention(_)
                | Command::Archive(_)
                | Command::Store(_)
        );
        if !ordered {
            return Err(no_order());
        }
        let order = OrderFor { node: self.node, within_ms: self.within };
        let json = global.json || cli.global.json;
        let quiet = global.quiet || cli.global.quiet;
        let global = Global { json, quiet, order: Some(order), ..global.clone() };
        cli.command.run(&global, programs)
    }
}

fn no_order() -> Stop {
    let hint = "`backupmanager order issue --help` says what can be ordered; a restore needs --yes";
    Stop::usage("cannot order this", "it is nothing for another node to do later", hint)
}
