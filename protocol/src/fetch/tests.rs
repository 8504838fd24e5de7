//! The session against whole worlds of holders, and against closures that no origin makes.

mod hostile;
mod sim;
mod world;
