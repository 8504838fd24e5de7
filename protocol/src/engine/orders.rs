//! Beginning orders that are due, and ending those that a crash cut off.

use super::{Engine, Event, Output};
use crate::{
    Time, order,
    record::{Fact, Outcome, Progress},
};

/// Orders begun at once. More wait for the next occasion.
const BEGUN_AT_ONCE_MAX: usize = 16;

impl Engine {
    /// Writes down what will be done or refused, then lets the shell do it.
    pub(super) fn attend_to_orders(&mut self, now: Time) {
        // A node that may have forgotten what it did already does nothing twice.
        let me = self.me();
        if !self.own.known || !std::mem::take(&mut self.look_for_orders) {
            return;
        }
        if !self.catalog.membership().is_member(&me) {
            return;
        }
        let cut_off: Vec<_> =
            order::begun(&self.catalog, me).filter(|order| !self.running.contains(order)).collect();
        for (issuer, id) in cut_off {
            let outcome = Outcome { progress: Progress::Interrupted, time: now };
            let _ = self.publish(&Fact::Result(issuer, id, outcome), now);
        }
        let mut due: Vec<_> =
            self.catalog.orders_for(me, now).take(BEGUN_AT_ONCE_MAX + 1).collect();
        if due.len() > BEGUN_AT_ONCE_MAX {
            due.pop();
            self.look_for_orders = true;
        }
        for due in due {
            let verdict = order::judge(&self.catalog, me, &due, &self.read_order);
            let progress = match &verdict {
                Ok(()) => Progress::Begun,
                Err(refusal) => Progress::Refused { why: refusal.to_string() },
            };
            let outcome = Outcome { progress, time: now };
            if self.publish(&Fact::Result(due.issuer, due.id, outcome), now).is_err() {
                // Without a note of it nothing is begun. The next tick tries again.
                self.look_for_orders = false;
                return;
            }
            if verdict.is_ok() {
                self.running.insert((due.issuer, due.id));
                let event = Event::OrderArrived { issuer: due.issuer, order: due.id };
                self.outputs.push_back(Output::Event(event));
            }
        }
    }
}
