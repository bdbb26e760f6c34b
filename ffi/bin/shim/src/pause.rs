//! The first process of a namespace of processes that the containers of a pod share. It must outlive them, and must be of
//! no use to them: no rights, no files, nothing to see of the machine but itself.

use crate::{Report, sys};
use std::io;

/// Reports the id of the process, as the machine sees it, once it has nothing left to lose.
pub fn run(report: &mut Report) -> io::Result<()> {
    report.ok(sys::pause_in_new_namespace()?);
    Ok(())
}
