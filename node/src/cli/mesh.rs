//! `backupmanager mesh …`

use std::{
    collections::BTreeSet,
    io::{IsTerminal, Read, Write},
};

use clap::{Args, Subcommand, ValueEnum};
use protocol::{
    NodeId,
    control::{
        GrantChange, INVITE_MS_MAX, Invited, MeshExpel, MeshInvite, NodeRef, Reply, Request, Right,
        Role, TICKET_BYTES_MAX, Ticket,
    },
};

use super::{Exit, Stop, qr, session::Session, value, view};

pub(super) const EXAMPLES: &str = "\
Examples:
  backupmanager mesh invite --role operator
  backupmanager mesh invite --role storage --quota 200G --expires 1h
  backupmanager mesh join -
  backupmanager mesh list";

#[derive(Debug, Subcommand)]
pub(super) enum Mesh {
    /// Print a ticket with which one more server can join
    Invite(Invite),
    /// Tickets that this node made: open, used, expired
    #[command(after_help = "\
Examples:
  backupmanager mesh invites
  backupmanager mesh invites --json | jq '.invites[] | select(.state == \"open\")'")]
    Invites,
    /// Take a ticket back that nobody has used
    #[command(after_help = "\
Examples:
  backupmanager mesh uninvite \
4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899a

The id is the one that `mesh invites` shows; it is no secret.")]
    Uninvite {
        /// Id of the ticket
        ticket: NodeId,
    },
    /// Join the mesh of a ticket
    Join(Join),
    /// All members
    #[command(
        after_help = "Examples:\n  backupmanager mesh list\n  backupmanager mesh list --json"
    )]
    List,
    /// One member: where it is, what it may do, what it holds
    #[command(after_help = "Examples:\n  backupmanager mesh show tom")]
    Show {
        /// Name of the node, or its whole key
        node: NodeRef,
    },
    /// Change what a member may do here
    Grant(Grant),
    /// Shut a member out for good
    Expel(Expel),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager mesh invite --role operator
      one more server of yours: it may see, run and restore everything
  backupmanager mesh invite --role storage --quota 200G
      a friend's server: it keeps sealed copies of at most 200 GiB and can read nothing
  backupmanager mesh invite --role storage -q | ssh friend backupmanager mesh join -

The ticket works once. The first invitation founds the mesh.")]
pub(super) struct Invite {
    /// What the new server will be
    #[arg(long)]
    role: RoleWord,
    /// How much of ours it holds at most, such as 200G [default: no limit]
    #[arg(long, value_parser = value::size, value_name = "SIZE")]
    quota: Option<u64>,
    /// How long the ticket is good, such as 1h or 7d; at most 30d
    #[arg(long, value_parser = invite_ms, value_name = "TIME", default_value = "24h")]
    expires: u64,
}

fn invite_ms(text: &str) -> Result<u64, String> {
    let ms = value::duration_ms(text).map_err(|e| e.to_string())?;
    if (1..=INVITE_MS_MAX).contains(&ms) { Ok(ms) } else { Err("at most 30d".to_owned()) }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleWord {
    /// One of your own servers: may see, run, restore and open archives
    Operator,
    /// A friend's server: holds sealed copies, sees sizes and times only
    Storage,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Operator => Self::Operator,
            RoleWord::Storage => Self::Storage,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager mesh join -
      then paste the ticket; this way it is in no list of processes and no history
  backupmanager mesh join - < ticket.txt

Afterwards compare the four words with what `backupmanager mesh show NODE` says on the inviter.")]
pub(super) struct Join {
    /// The ticket, or - to read it from the standard input
    ticket: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager mesh grant tom --quota 500G
  backupmanager mesh grant ann --deny delete --deny run-job")]
pub(super) struct Grant {
    /// Name of the node, or its whole key
    node: NodeRef,
    /// Let it do this; several times for several
    #[arg(long, value_parser = right, value_name = "RIGHT", help = RIGHTS_HELP)]
    allow: Vec<Right>,
    /// Do not let it do this any more
    #[arg(long, value_parser = right, value_name = "RIGHT")]
    deny: Vec<Right>,
    /// How much it may keep here at most
    #[arg(long, value_parser = value::size, value_name = "SIZE")]
    quota: Option<u64>,
}

const RIGHTS_HELP: &str = "Let it do this, several times for several: see-status, run-job, store, \
                           restore, delete, open";

fn right(text: &str) -> Result<Right, String> {
    let words: Vec<_> = Right::ALL.iter().map(|right| right.word()).collect();
    let found = Right::ALL.into_iter().find(|right| right.word() == text);
    found.ok_or_else(|| format!("the rights are {}", words.join(", ")))
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  backupmanager mesh expel tom --dry-run
  backupmanager mesh expel tom --yes

It is refused from its next message on, by every member that has heard of it. What it holds stays
there, sealed; --dry-run shows what that is, so that other copies can be made first.")]
pub(super) struct Expel {
    /// Name of the node, or its whole key
    node: NodeRef,
    /// Only say what it would mean
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Mesh {
    pub(super) fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        match self {
            Self::Invite(invite) => invite.run(session),
            Self::Join(join) => join.run(session),
            Self::Invites => session.run(Request::InviteList),
            Self::Uninvite { ticket } => session.run(Request::InviteCancel { invite: ticket }),
            Self::List => session.run(Request::MeshList),
            Self::Show { node } => session.run(Request::MeshShow { node }),
            Self::Grant(grant) => session.run(grant.request()?),
            Self::Expel(expel) => {
                let question = format!("Shut {} out of the mesh for good?", expel.node);
                session.confirm(expel.yes || expel.dry_run, &question)?;
                let Expel { node, dry_run, .. } = expel;
                session.run(Request::MeshExpel(MeshExpel { node, dry_run }))
            }
        }
    }
}

impl Invite {
    fn request(&self) -> Request {
        Request::MeshInvite(MeshInvite {
            role: self.role.into(),
            quota_bytes: self.quota,
            expires_ms: self.expires,
        })
    }

    /// For people: the ticket as text and as a picture. For a pipe: the ticket alone.
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let reply = session.ask(self.request())?;
        match &reply {
            Reply::Invited(invited) if !session.json => print_ticket(session, invited)?,
            _ => return session.print(&reply),
        }
        Ok(session.exit(&reply))
    }
}

fn print_ticket(session: &Session, invited: &Invited) -> Result<(), Stop> {
    let ticket = invited.ticket.reveal();
    let about = view::invited(invited, &session.style);
    if std::io::stdout().is_terminal() {
        let code = qr::code(ticket).unwrap_or_default();
        session.print_text(&format!("{ticket}\n\n{code}\n{about}"))
    } else {
        session.print_text(&format!("{ticket}\n"))?;
        session.note(about.trim_end());
        Ok(())
    }
}

impl Join {
    fn run(self, session: &mut Session) -> Result<Exit, Stop> {
        let ticket = self.ticket(session)?;
        session.run(Request::MeshJoin { ticket })
    }

    fn ticket(self, session: &Session) -> Result<Ticket, Stop> {
        let text = if self.ticket == "-" {
            read_ticket()?
        } else {
            session.note(
                "note: a ticket on the command line is seen in the list of processes and kept in \
                 the shell's history; `backupmanager mesh join -` reads it from the input",
            );
            self.ticket
        };
        let hint = "paste the whole line that `backupmanager mesh invite` printed";
        text.trim().parse().map_err(|error| Stop::usage("cannot read the ticket", error, hint))
    }
}

fn read_ticket() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let mut err = std::io::stderr();
        write!(err, "ticket: ")?;
        err.flush()?;
    }
    let mut text = String::new();
    // One more than allowed, so that what is too long is refused and not cut.
    let mut input = std::io::BufReader::new(stdin.take(TICKET_BYTES_MAX as u64 + 3));
    std::io::BufRead::read_line(&mut input, &mut text)?;
    Ok(text)
}

impl Grant {
    fn request(self) -> Result<Request, Stop> {
        let change = GrantChange {
            node: self.node,
            allow: BTreeSet::from_iter(self.allow),
            deny: BTreeSet::from_iter(self.deny),
            quota_bytes: self.quota,
            unlimited: false,
        };
        if change.is_empty() {
            let hint = "name a change: --allow RIGHT, --deny RIGHT or --quota SIZE";
            return Err(Stop::usage("cannot change the grant", "nothing to change", hint));
        }
        Ok(Request::MeshGrant(change))
    }
}
