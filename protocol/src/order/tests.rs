use super::*;
use crate::{
    Time,
    control::{FailureCode, JobRun, KeyCreate, OrderIssue},
    entropy::SeededEntropy,
    job::{CustomDir, JobConfig, JobSpec},
    record::Order,
};

struct World {
    ann: NodeSecret,
    tom: NodeSecret,
    eve: NodeSecret,
    entropy: SeededEntropy,
}

fn world() -> World {
    let mut entropy = SeededEntropy::new(3);
    let [ann, tom, eve] = [(); 3].map(|()| NodeSecret::generate(&mut entropy));
    World { ann, tom, eve, entropy }
}

impl World {
    fn which(&self) -> Which {
        Which { issuer: self.ann.id(), to: self.tom.id(), id: OrderId([7; 16]) }
    }

    fn readers(&self) -> [ExchangePublic; 2] {
        [self.ann.exchange_public(), self.tom.exchange_public()]
    }

    fn sealed(&mut self, request: &Request) -> Vec<u8> {
        let (which, readers) = (self.which(), self.readers());
        which.seal_request(request, &readers, &mut self.entropy).unwrap()
    }

    fn due(&self, which: Which, request: Vec<u8>) -> DueOrder {
        let order = Order { to: which.to, request, deadline: Time(9) };
        DueOrder { issuer: which.issuer, id: which.id, order }
    }
}

fn run() -> Request {
    Request::JobRun(JobRun { job: "docs".parse().unwrap(), wait: true })
}

#[test]
fn an_order_is_read_by_its_two_sides_and_by_nobody_else() {
    let mut world = world();
    let (which, sealed) = (world.which(), world.sealed(&run()));
    assert_eq!(which.open_request(&sealed, &world.ann).unwrap(), run());
    assert_eq!(which.open_request(&sealed, &world.tom).unwrap(), run());
    assert!(matches!(which.open_request(&sealed, &world.eve), Err(OrderError::Letter(_))));
    assert!(!sealed.windows(4).any(|bytes| bytes == b"docs"));
}

#[test]
fn nobody_can_issue_the_text_of_another_again() {
    let mut world = world();
    let (which, sealed) = (world.which(), world.sealed(&run()));
    let due = world.due(which, sealed.clone());
    assert_eq!(super::read(&due, &world.tom), Some(run()));
    let stolen = Which { issuer: world.eve.id(), ..which };
    let again = Which { id: OrderId([8; 16]), ..which };
    for other in [stolen, again] {
        assert_eq!(super::read(&world.due(other, sealed.clone()), &world.tom), None);
    }
    assert_eq!(super::read(&due, &world.eve), None);
    // An answer is no order either.
    let answer = Answer { text: "done".into(), failure: None };
    let readers = world.readers();
    let sealed = which.seal_answer(answer, &readers, &mut world.entropy).unwrap();
    assert!(which.open_request(&sealed, &world.tom).is_err());
}

#[test]
fn what_cannot_be_ordered_or_breaks_a_bound_has_no_right() {
    let mut world = world();
    let order = OrderIssue { node: "tom".parse().unwrap(), request: run(), within_ms: 1 };
    let key = KeyCreate { name: "x".parse().unwrap(), read_only: false, metrics_only: false };
    let restore = serde_json::from_value(serde_json::json!({
        "archive_restore": { "archive": { "name": "a", "node_of": null }, "to": "relative" }
    }));
    let mut refused =
        vec![Request::Status, Request::KeyCreate(key), Request::OrderIssue(Box::new(order))];
    refused.extend(restore.ok());
    for request in refused {
        let sealed = world.sealed(&request);
        let due = world.due(world.which(), sealed);
        assert_eq!(super::read(&due, &world.tom), None, "{request:?}");
    }
    for rubbish in [vec![], vec![0xff; 100], b"run".to_vec()] {
        assert_eq!(super::read(&world.due(world.which(), rubbish), &world.tom), None);
    }
}

#[test]
fn an_order_that_fits_no_record_is_refused_when_it_is_issued() {
    let mut world = world();
    let mut dir = CustomDir::new("/srv");
    dir.excludes = (0..60).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let spec = JobSpec::new("docs".parse().unwrap(), JobConfig::CustomDir(dir));
    let (which, readers) = (world.which(), world.readers());
    let sealed = which.seal_request(&Request::JobAdd(spec), &readers, &mut world.entropy);
    assert!(matches!(sealed, Err(OrderError::TooLarge { bytes }) if bytes > 60_000));
}

#[test]
fn an_answer_is_bounded_whatever_was_said() {
    let mut world = world();
    let (which, readers) = (world.which(), world.readers());
    let long = "é".repeat(60_000);
    let failure = Failure::new(FailureCode::Internal, long.clone(), &long).hint(long.clone());
    let answer = Answer { text: long, failure: Some(failure) };
    let sealed = which.seal_answer(answer, &readers, &mut world.entropy).unwrap();
    assert!(sealed.len() < ORDER_BYTES_MAX);
    let read = which.open_answer(&sealed, &world.ann).unwrap();
    assert!(read.text.len() <= ORDER_TEXT_BYTES_MAX);
    assert_eq!(read.failure.unwrap().code, FailureCode::Internal);
    assert!(which.open_answer(&sealed, &world.eve).is_err());
}
