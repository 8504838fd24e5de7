//! A made-up node, a server in front of it, and a client that sends any bytes.

mod checked;
mod client;
mod drawn;
mod fake;
mod stream;
mod world;

pub(crate) use checked::{resolved, validator};
pub(crate) use client::{Answer, ask, ask_any, ask_with, exchange, exchange_with};
pub(crate) use drawn::{Dice, strange};
pub(crate) use fake::{FILE, Fake, GOOD, METRICS, READ_ONLY, START, Server, key};
pub(crate) use stream::Stream;
pub(crate) use world::{JOB, METRICS_TEXT, ORDER, RUN, TICKET, UPLOAD, reply, run};
