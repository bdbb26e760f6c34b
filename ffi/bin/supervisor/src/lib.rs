//! What the supervisor and the programs that it starts have agreed on: how they are started and told to end, how
//! sockets are handed over, how a program says that it serves, and where it is asked questions. The programs use this
//! crate as a library, so that the agreement has one
//! home. What they say of themselves, in logs and figures, has its form here too.

pub mod control;
pub mod exposed;
pub mod handed;
pub mod log;
pub mod metrics;
pub mod ready;
pub mod start;
