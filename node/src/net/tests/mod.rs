//! Real nodes on loopback: what members can do, and what nobody else can.

mod bulk;
mod hostile;
mod joining;
mod mesh;
mod overload;
mod support;
