//! The `yunohost` command: the double that plays it, against outputs of the real one, and the driver
//! against the double. They run as root and need `python3`, `tar` and `mount`.

mod asked;
mod create;
mod double;
mod faults;
mod restore;
