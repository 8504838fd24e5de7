use super::*;
use crate::{Time, key::ExchangePublic, membership::Membership};

/// Nodes are letters; `F` founded the mesh.
fn node(letter: char) -> NodeId {
    NodeId([letter as u8; 32])
}

fn invitation(role: Role, time: u64) -> Invitation {
    let exchange = ExchangePublic([0; 32]);
    Invitation { role, quota_bytes: None, name: "n".into(), exchange, time: Time(time) }
}

#[derive(Default)]
struct Story {
    evidence: Evidence,
    time: u64,
}

impl Story {
    fn new() -> Self {
        Self::default().invites('F', 'F', Role::Operator)
    }

    fn tell(mut self, author: char, fact: Fact) -> Self {
        self.time += 1;
        self.evidence.add(node(author), fact);
        self
    }

    fn invites(self, author: char, who: char, role: Role) -> Self {
        let invitation = invitation(role, self.time);
        self.tell(author, Fact::Member(node(who), invitation))
    }

    fn operators(self, author: char, who: &str) -> Self {
        who.chars().fold(self, |story, w| story.invites(author, w, Role::Operator))
    }

    fn expels(self, author: char, who: char, kept: &str) -> Self {
        let kept = kept.chars().map(|k| (node(k), invitation(Role::Operator, 0))).collect();
        let last = Version { epoch: 1, seq: 1 };
        self.tell(author, Fact::Expel(node(who), Expulsion { last, kept, time: Time(0) }))
    }

    fn members(&self) -> String {
        let membership = Membership::derive(node('F'), &self.evidence);
        membership.members().map(|(id, _)| char::from(id.0[0])).collect()
    }
}

#[test]
fn a_chain_of_invitations_makes_members_and_nothing_else_does() {
    let story = Story::new().operators('F', "A").operators('A', "B").operators('X', "YZ");
    assert_eq!(story.members(), "ABF");
    let loops = Story::new().operators('A', "B").operators('B', "A");
    assert_eq!(loops.members(), "F");
}

#[test]
fn a_storage_node_lets_nobody_in_and_turns_nobody_out() {
    let story = Story::new().invites('F', 'S', Role::Storage).operators('F', "A");
    let story = story.operators('S', "B").expels('S', 'A', "");
    assert_eq!(story.members(), "AFS");
}

#[test]
fn a_junior_does_not_change_the_role_of_a_senior() {
    let story = Story::new().operators('F', "A").operators('A', "B");
    let story = story.invites('B', 'A', Role::Storage).invites('B', 'F', Role::Storage);
    let membership = Membership::derive(node('F'), &story.evidence);
    assert!(membership.is_operator(&node('A')) && membership.is_operator(&node('F')));
    assert_eq!(membership.get(&node('A')).map(|m| m.inviter), Some(node('F')));
}

#[test]
fn of_two_invitations_on_one_level_the_later_counts() {
    let story = Story::new().operators('F', "AB").operators('A', "C");
    let story = story.invites('B', 'C', Role::Storage);
    let membership = Membership::derive(node('F'), &story.evidence);
    assert!(!membership.is_operator(&node('C')));
}

#[test]
fn who_is_expelled_is_out_and_so_is_whom_it_alone_invited_unless_kept() {
    let story = Story::new().operators('F', "A").operators('A', "BC");
    assert_eq!(story.expels('F', 'A', "B").members(), "BF");
}

#[test]
fn an_expelled_node_lets_nobody_in_and_turns_nobody_out() {
    let story = Story::new().operators('F', "A").expels('F', 'A', "");
    let story = story.operators('A', "X").expels('A', 'F', "");
    assert_eq!(story.members(), "F");
}

#[test]
fn a_kept_node_keeps_its_role_and_the_expelled_cannot_raise_or_drop_it() {
    let story = Story::new().operators('F', "A").invites('A', 'B', Role::Storage);
    let kept = vec![(node('B'), invitation(Role::Storage, 3))];
    let last = Version { epoch: 1, seq: 3 };
    let story = story.tell('F', Fact::Expel(node('A'), Expulsion { last, kept, time: Time(0) }));
    let story = story.invites('A', 'B', Role::Operator);
    let membership = Membership::derive(node('F'), &story.evidence);
    assert_eq!(membership.get(&node('B')).map(|m| m.role), Some(Role::Storage));
}

#[test]
fn whose_chain_is_broken_is_still_heard_on_membership_only() {
    let story = Story::new().operators('F', "A").operators('A', "B").expels('F', 'A', "");
    let membership = Membership::derive(node('F'), &story.evidence);
    assert!(!membership.is_member(&node('B')));
    assert_eq!(membership.last_version_of(&node('B')), Some(Version::default()));
    assert_eq!(membership.last_version_of(&node('X')), None);
}

#[test]
fn a_junior_can_turn_a_stolen_founder_out() {
    let story = Story::new().operators('F', "AB").expels('A', 'F', "AB");
    assert_eq!(story.members(), "AB");
    let thief = story.operators('F', "X");
    assert_eq!(thief.members(), "AB", "the thief lets nobody in");
}

#[test]
fn where_two_expel_each_other_the_senior_prevails() {
    let story = Story::new().operators('F', "A").operators('A', "B");
    let mutual = story.expels('B', 'A', "B").expels('A', 'B', "");
    assert_eq!(mutual.members(), "AF");
    let same_level = Story::new().operators('F', "AB").expels('B', 'A', "").expels('A', 'B', "");
    assert_eq!(same_level.members(), "AF", "the smaller id is the senior");
}

#[test]
fn a_ring_of_expulsions_leaves_somebody() {
    let story = Story::new().operators('F', "ABC");
    let ring = story.expels('A', 'B', "").expels('B', 'C', "").expels('C', 'A', "");
    assert_eq!(
        ring.members(),
        "CF",
        "A turns B out, whose word then counts no more; C turns A out"
    );
}

#[test]
fn what_an_expelled_senior_did_before_stands_once_it_was_considered() {
    let story = Story::new().operators('F', "ABC").expels('F', 'C', "").expels('A', 'F', "AB");
    assert_eq!(story.members(), "AB");
}

#[test]
fn no_more_members_than_there_may_be() {
    let mut story = Story::new();
    for n in 0..=MEMBERS_MAX {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        story = story.tell('F', Fact::Member(NodeId(id), invitation(Role::Storage, 0)));
    }
    let membership = Membership::derive(node('F'), &story.evidence);
    assert_eq!(membership.members().count(), MEMBERS_MAX);
}
