//! One line of log for each thing that happened, on standard error.

use std::io::Write;

/// Writes a line. Unlike `eprintln!` it goes on when nobody reads standard error any more: a supervisor must not die
/// with the terminal that it was started from.
pub fn line(program: &str, message: &str) {
    let _ = writeln!(std::io::stderr(), "{program}: {message}");
}
