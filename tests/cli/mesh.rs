//! Joining, being refused, being away, coming back with an old memory.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use protocol::membership::Ticket;
use tests::support::{Node, Yard, assert_same, awaited, below, tree, until};

fn members(node: &Node) -> Vec<String> {
    let list = node.json(&["mesh", "list"], "members");
    let names = list.as_array().expect("a list").iter();
    names.map(|one| one["node"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn what_is_no_ticket_and_a_ticket_that_was_never_given_are_refused() {
    let yard = Yard::new();
    let (jerry, eve) = (yard.node("jerry"), yard.node("eve"));
    let ticket = jerry.ticket("operator");
    eve.tell(&["mesh", "join", "-"], "let me in\n").fails_with(2, &["ticket"]).hints();
    let cut = &ticket[..ticket.len() - 3];
    eve.tell(&["mesh", "join", "-"], cut).fails_with(1, &["cannot join"]).hints();

    let mut forged: Ticket = ticket.parse().expect("a ticket");
    forged.secret.0 = [7; 32];
    let forged = forged.to_string();
    eve.tell(&["mesh", "join", "-"], &forged).fails_with(1, &["cannot join"]).hints();
    assert_eq!((members(&jerry), members(&eve)), (vec!["jerry".into()], vec!["eve".into()]));

    eve.tell(&["mesh", "join", "-"], &ticket).exits(0);
    assert_eq!(members(&jerry), ["jerry", "eve"]);
}

#[test]
fn a_ticket_is_good_for_one_node_and_until_it_expires() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    let (tom, eve) = (yard.node("tom"), yard.node("eve"));
    let ticket = jerry.ticket("operator");
    tom.tell(&["mesh", "join", "-"], &ticket).exits(0);
    eve.tell(&["mesh", "join", "-"], &ticket).fails_with(1, &["cannot join", "used"]).hints();

    let short = ["mesh", "invite", "--role", "storage", "--expires", "1s"];
    let invited = jerry.json(&short, "invited");
    let expires = invited["expires_at_ms"].as_u64().expect("a time");
    until("the ticket has expired", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        now.as_millis() > u128::from(expires)
    });
    let ticket = invited["ticket"].as_str().expect("a ticket");
    eve.tell(&["mesh", "join", "-"], ticket).fails_with(1, &["cannot join", "expired"]).hints();
    assert_eq!(members(&jerry), ["jerry", "tom"]);
    assert!(!jerry.knows("anything") && eve.status()["members"] == 1);
}

#[test]
fn a_node_that_has_a_mesh_with_others_does_not_join_another() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    let eve = yard.node("eve");
    let ticket = eve.ticket("operator");
    tom.tell(&["mesh", "join", "-"], &ticket).fails_with(1, &["cannot join"]).hints();
    assert_eq!(members(&eve), ["eve"]);
    assert_eq!(members(&tom), ["tom", "jerry"]);
}

#[test]
fn an_expelled_node_is_refused_and_the_others_go_on() {
    let yard = Yard::new();
    let jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    let ann = yard.member("ann", &jerry, "operator");
    until("tom and ann are connected", || tom.sees(&ann));
    jerry.done(&["mesh", "expel", "tom", "--yes"]);
    until("tom is shut out by both", || !jerry.sees(&tom) && !ann.sees(&tom));
    let source = yard.path("source");
    tree::plain(&source, 1, 1 << 20);
    jerry.add_job("files", &source, &["--copies", "2"]);
    let archive = jerry.back_up("files");
    jerry.until_held(&archive, &ann);
    assert!(!tom.knows(&archive), "tom heard of what came after");
}

#[test]
fn archives_made_while_a_node_was_away_are_learnt_and_fetched_when_it_is_back() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 2 << 20);
    let jerry = yard.node("jerry");
    let mut tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    tom.stop();
    let first = jerry.back_up("files");
    tree::plain(&source, 2, 2 << 20);
    let second = jerry.back_up("files");
    assert_ne!(first, second, "a second run on one day does not overwrite the first");
    tom.restart();
    for archive in [&first, &second] {
        tom.until_held(archive, &tom);
        jerry.until_held(archive, &tom);
    }
    tom.restore(&second, &yard.path("to"), &[]);
    assert_same(&source, &below(&yard.path("to"), &source));
}

#[test]
fn two_nodes_that_are_never_up_together_meet_through_a_third() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 2 << 20);
    let mut jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    let mut ann = yard.member("ann", &jerry, "operator");
    until("tom and ann are connected", || tom.sees(&ann) && ann.sees(&tom));
    ann.stop();
    jerry.add_job("files", &source, &["--copies", "1", "--on", "tom"]);
    let archive = jerry.back_up("files");
    tom.until_held(&archive, &tom);
    jerry.stop();
    ann.restart();
    until("ann knows the archive", || ann.knows(&archive));
    let restored = ann.restore(&archive, &yard.path("to"), &[]);
    assert!(restored["fetched_bytes"].as_u64() > Some(2 << 20), "{restored:#}");
    assert_same(&source, &below(&yard.path("to"), &source));
}

fn copy_folder(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is there");
    assert!(status.success());
}

#[test]
fn a_node_put_back_from_an_old_copy_of_its_data_learns_what_it_forgot_and_overwrites_nothing() {
    let yard = Yard::new();
    let source = yard.path("source");
    tree::plain(&source, 1, 2 << 20);
    let mut jerry = yard.node("jerry");
    let tom = yard.member("tom", &jerry, "operator");
    jerry.add_job("files", &source, &["--copies", "1"]);
    let first = jerry.back_up("files");
    jerry.until_held(&first, &tom);
    jerry.stop();
    copy_folder(&jerry.data, &yard.path("copy"));
    jerry.restart();
    tree::plain(&source, 2, 2 << 20);
    let second = jerry.back_up("files");
    tree::plain(&source, 3, 2 << 20);
    let third = jerry.back_up("files");
    tom.until_held(&second, &tom);
    tom.until_held(&third, &tom);
    jerry.kill();

    fs::remove_dir_all(&jerry.data).expect("it can be removed");
    copy_folder(&yard.path("copy"), &jerry.data);
    jerry.restart();
    until("jerry knows its archives again", || jerry.knows(&second) && jerry.knows(&third));
    jerry.restore(&third, &yard.path("third"), &[]);
    assert_same(&source, &below(&yard.path("third"), &source));

    tree::plain(&source, 4, 2 << 20);
    let fourth = awaited("jerry runs its job again", || {
        let ran = jerry.ask(&["job", "run", "files", "--wait", "--json"]);
        (ran.code == Some(0))
            .then(|| ran.json("run_ended")["archive"].as_str().map(str::to_owned))?
    });
    assert!(![&first, &second, &third].contains(&&fourth), "{fourth} is the name of another");
    tom.until_held(&fourth, &tom);
    for archive in [&first, &second, &third, &fourth] {
        assert!(jerry.knows(archive), "{archive}");
        tom.done(&["archive", "verify", archive]);
    }
    tom.restore(&fourth, &yard.path("fourth"), &[]);
    assert_same(&source, &below(&yard.path("fourth"), &source));
}
