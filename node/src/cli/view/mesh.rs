//! Members and invitations.

use protocol::control::{
    Connection, Expelled, InviteReport, Invited, Joined, MemberReport, Right, Role,
};

use super::{more, word};
use crate::cli::format::{Facts, Style, Table, bytes, bytes_or_dash, clean, dash};

fn role(role: Role) -> &'static str {
    match role {
        Role::Operator => "operator",
        Role::Storage => "storage",
    }
}

/// What to do with a ticket that stands above.
pub(crate) fn invited(invited: &Invited, style: &Style) -> String {
    let quota =
        invited.quota_bytes.map_or(String::new(), |q| format!(", holds up to {}", bytes(q)));
    let mut out = String::new();
    if invited.founded {
        out += &format!("This founded the mesh {}.\n", invited.mesh.short());
    }
    out += &format!(
        "The ticket lets one {} node in{quota}, once, until {}. It is a secret.\n",
        role(invited.role),
        style.time(invited.expires_at_ms)
    );
    if invited.addresses.is_empty() {
        out += "It names no address: this node listens on none that others could reach.\n";
    } else {
        let addresses: Vec<_> = invited.addresses.iter().map(|a| clean(a)).collect();
        out += &format!("The new node looks for this one at {}\n", addresses.join(" "));
    }
    out + "On the new server: backupmanager mesh join -\nthen paste the ticket. \
           Both sides then show the same four words.\n"
}

pub(super) fn joined(joined: &Joined) -> String {
    format!(
        "This node is a member of the mesh {} now, as {}; {} members.\n\
         Compare these words with `backupmanager mesh show` on {}:\n\n    {}\n",
        joined.mesh.short(),
        role(joined.role),
        joined.members,
        clean(&joined.inviter.name),
        clean(&joined.words)
    )
}

pub(super) fn members(members: &[MemberReport], style: &Style) -> String {
    let head = ["NAME", "ROLE", "CONNECTION", "LAST SEEN", ">HOLDS", ">QUOTA", "KEY"];
    let mut table = Table::new(&head);
    for member in members {
        table.row([
            member.node.name.clone(),
            role(member.role).to_owned(),
            connection(member),
            style.time_or_dash(member.seen_ms),
            bytes(member.holds_bytes),
            bytes_or_dash(member.quota_bytes),
            member.node.id.short(),
        ]);
    }
    table.or("no mesh yet; `backupmanager mesh invite` founds one, `mesh join` joins one")
}

pub(super) fn invites(invites: &[InviteReport], style: &Style) -> String {
    let mut table = Table::new(&["STATE", "ROLE", "UNTIL", "USED BY", "ID"]);
    for invite in invites {
        table.row([
            word(invite.state),
            role(invite.role).to_owned(),
            style.time(invite.expires_at_ms),
            invite.used_by.as_ref().map_or_else(dash, |node| node.name.clone()),
            invite.id.to_string(),
        ]);
    }
    table.or("no tickets; `backupmanager mesh invite` makes one")
}

fn connection(member: &MemberReport) -> String {
    match (member.expelled_ms, member.connection) {
        (Some(_), _) => "expelled".to_owned(),
        (None, Connection::This) => "this node".to_owned(),
        (None, connection) => word(connection),
    }
}

pub(super) fn member(member: &MemberReport, style: &Style) -> String {
    let rights: Vec<_> = member.rights.iter().map(|right: &Right| right.word()).collect();
    let mut facts = Facts::default();
    facts
        .add("name", member.node.name.as_str())
        .add("key", member.node.id.to_string())
        .add("role", role(member.role))
        .add("connection", connection(member))
        .add("addresses", member.addresses.join(" "))
        .maybe("version", member.version.clone())
        .add("joined", style.time(member.joined_ms))
        .add("last seen", style.time_or_dash(member.seen_ms))
        .maybe("expelled", member.expelled_ms.map(|at| style.time(at)))
        .add("may", if rights.is_empty() { dash() } else { rights.join(", ") })
        .maybe("may keep here", member.keeps_here_bytes_max.map(bytes))
        .add("quota", bytes_or_dash(member.quota_bytes))
        .add(
            "holds",
            format!("{} archives of ours, {}", member.holds_archives, bytes(member.holds_bytes)),
        )
        .maybe("words", member.words.clone());
    facts.text()
}

pub(super) fn expelled(expelled: &Expelled) -> String {
    let name = clean(&expelled.node.name);
    let mut out = if expelled.dry_run {
        format!("{name} would be expelled; nothing was changed.\n")
    } else {
        format!("{name} is expelled.\n")
    };
    if expelled.still_holds_total == 0 {
        return out + "It holds nothing of ours.\n";
    }
    out += &format!("It still holds, sealed ({}):\n", expelled.still_holds_total);
    for left in &expelled.still_holds {
        out += &format!(
            "  {}, {}, {} whole copies elsewhere\n",
            clean(&left.archive),
            bytes(left.bytes),
            left.copies_elsewhere
        );
    }
    out + &more(expelled.still_holds_total, expelled.still_holds.len())
}
