//! Doors to parsers that are nobody else's business, for the tests that feed them foreign bytes
//! (`tests/src/node_decoders`). Nothing else uses them, and they are no interface: each is one parser
//! as the program calls it, and what it read as plain values.

pub use crate::{
    agent::decoders::{agent_frame, agent_opening, agent_reply, agent_turn},
    daemon::{
        rebuild::decoders::{embedded_block, listed_names},
        tars::foreign::told_by as foreign_told,
    },
    instances::decoders::instance_answer,
    tasks::{
        database::decoders::{dump_head, dump_here, dump_restricted},
        process::decoders::{Said, program_lines},
        yunohost::decoders::{Answered, answered},
    },
};
pub use web::decoders::{FormError, form};
