//! Packet rules, by the `nft` program: one script is one transaction.

use k3ts_frames::{ErrorContext, RpcError};
use std::io::Write;
use std::process::{Command, Stdio};

const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ERROR_BYTES_MAX: usize = 4096;

pub fn apply_rules(script: &str) -> Result<(), RpcError> {
    let doing = || "Cannot run nft, which must be installed".to_owned();
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .doing(doing)?;
    let mut input = nft
        .stdin
        .take()
        .ok_or_else(|| RpcError::internal("nft was started without an input"))?;
    // It reads all of it before it says anything. When it ends early its own words tell why.
    let written = input.write_all(script.as_bytes());
    drop(input);
    let output = nft.wait_with_output().doing(doing)?;
    if !output.status.success() {
        return Err(refused(script, &String::from_utf8_lossy(&output.stderr)));
    }
    written.doing(|| "Cannot hand the rules to nft".to_owned())
}

fn refused(script: &str, said: &str) -> RpcError {
    let cut = said
        .char_indices()
        .map(|(at, _)| at)
        .find(|at| *at >= ERROR_BYTES_MAX)
        .unwrap_or(said.len());
    let line = line_of(said).and_then(|number| Some((number, script.lines().nth(number.checked_sub(1)?)?)));
    let line = line
        .map(|(number, text)| format!(" (line {number} is {text:?})"))
        .unwrap_or_default();
    RpcError::invalid_argument(format!(
        "Cannot apply packet rules as nft must accept them{line}: {}",
        said[..cut].trim()
    ))
}

/// From `/dev/stdin:3:1-5: Error: ...`, or `-:3:1-5` as other versions say it.
fn line_of(said: &str) -> Option<usize> {
    said.lines()
        .find_map(|line| line.split_once(':')?.1.split(':').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_line_that_it_is_about() {
        let error = refused(
            "add table ip a\nadd nonsense\n",
            "/dev/stdin:2:5-12: Error: syntax error\n",
        );
        assert!(
            error.message.contains("(line 2 is \"add nonsense\")"),
            "{}",
            error.message
        );
        assert!(error.message.ends_with("Error: syntax error"));
    }

    #[test]
    fn an_error_without_line_is_kept() {
        assert!(
            refused("", "netlink: Error: busy")
                .message
                .ends_with("netlink: Error: busy")
        );
    }
}
