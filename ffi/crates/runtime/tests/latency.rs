//! How long a container takes, beside the OCI runtime alone. Run with `--ignored --nocapture`. Needs root and crun.

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::Node;

const ROUNDS: usize = 30;

#[test]
#[ignore = "it measures"]
fn create_and_start_beside_the_oci_runtime_alone() {
    let node = Node::new();
    let (mut created, mut ours, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    let mut resident = String::new();
    for round in 0..ROUNDS {
        let container = node.container(&format!("a{round}"), &["sleep", "1000"]);
        let begin = Instant::now();
        container.create().unwrap();
        created.push(begin.elapsed());
        container.start();
        ours.push(begin.elapsed());
        let shim = fs::read_to_string(container.directory.join("shim.pid")).unwrap();
        resident = fs::read_to_string(format!("/proc/{shim}/smaps_rollup")).unwrap();
        container.delete();
        alone.push(bare(
            &node,
            &container.request.bundle,
            &format!("{}-bare", container.id()),
        ));
    }
    for group in node.groups(&format!("{}/pod", node.cgroup())) {
        fs::remove_dir(group).unwrap();
    }
    let memory: Vec<&str> = resident
        .lines()
        .filter(|line| line.starts_with("Rss") || line.starts_with("Private_Dirty"))
        .collect();
    println!(
        "create and start, p50 and min in ms: {} with the shim, {} without",
        summary(ours),
        summary(alone)
    );
    println!("of that, create: {}", summary(created));
    println!("shim: {}", memory.join(", "));
}

/// The same bundle by crun's own commands, with what lets it work here.
fn bare(node: &Node, bundle: &str, id: &str) -> Duration {
    let root = node.path("bare");
    let call = |arguments: &[&str]| {
        let status = Command::new("unshare")
            .args([
                "--mount",
                "sh",
                "-c",
                "umount -l /sys/fs/cgroup/unified 2>/dev/null; exec crun --root \"$@\"",
                "crun",
            ])
            .arg(&root)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    };
    let begin = Instant::now();
    call(&["create", "--bundle", bundle, id]);
    let start = Command::new("crun")
        .arg("--root")
        .arg(&root)
        .args(["start", id])
        .status();
    assert!(start.unwrap().success());
    let took = begin.elapsed();
    call(&["delete", "--force", id]);
    took
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    format!(
        "{:.1} {:.1}",
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[0].as_secs_f64() * 1e3
    )
}
