//! The life of containers. Needs root and crun.

mod support;

use k3ts_frames::Code;
use k3ts_proto::v1::ContainerStatus;
use k3ts_runtime::{News, Watcher};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use support::{Node, wait_until};

#[test]
fn a_container_writes_its_log_and_its_exit() {
    let node = Node::new();
    let container = node.container("a", &["sh", "-c", "echo out; echo err >&2; printf rest; exit 3"]);
    let pid = container.create().unwrap();
    assert_eq!(container.status(), Some(ContainerStatus::Created));
    assert_eq!(container.create().unwrap(), pid, "again is no error");
    container.start();
    container.start();
    let state = container.wait_for_exit();
    assert_eq!((state.exit_code, state.signal, state.oom_killed), (3, 0, false));
    assert!(
        state.started_at < state.finished_at && state.finished_at.ends_with('Z'),
        "{state:?}"
    );
    let log = container.log();
    let mut lines: Vec<&str> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    lines.sort();
    assert_eq!(lines, ["stderr F err", "stdout F out", "stdout P rest"]);
    container.start();
    container.delete();
    container.delete();
    assert_eq!(container.state(), None);
    assert!(container.directory.join("exit").exists(), "the directory stays");
}

#[test]
fn nothing_is_left_of_a_container_that_was_deleted_while_it_ran() {
    let node = Node::new();
    let container = node.container("a", &["sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000"]);
    container.run();
    let pid = container.state().unwrap().pid;
    container.delete();
    assert!(!Path::new(&format!("/proc/{pid}/exe")).exists());
    let left = node.groups(&format!("{}/pod", node.cgroup()));
    assert!(left.is_empty(), "{left:?}");
    assert!(!node.path("state/runtime").join(container.id()).exists());
    // The same name may be used again.
    container.run();
    assert_eq!(container.status(), Some(ContainerStatus::Running));
}

#[test]
fn a_record_that_was_cut_short_is_one_of_a_container_that_is_lost_and_can_be_deleted() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let record = node.path("state/containers").join(format!("{}.json", container.id()));
    fs::write(&record, "").unwrap();
    assert_eq!(container.status(), Some(ContainerStatus::Lost));
    container.delete();
    assert_eq!(container.state(), None);
    assert!(!record.exists());
    container.run();
    assert_eq!(container.status(), Some(ContainerStatus::Running));
}

#[test]
fn a_container_that_cannot_be_made_says_why_and_leaves_nothing() {
    let node = Node::new();
    let container = node.container("a", &["/nowhere"]);
    let error = container.create().unwrap_err();
    assert!(error.message.contains("/nowhere"), "{}", error.message);
    assert_eq!(container.state(), None);
    assert!(node.groups(&format!("{}/pod", node.cgroup())).is_empty());
    let mut long = node.container("b", &["true"]);
    long.request.directory = format!("/tmp/{}", "x".repeat(120));
    assert_eq!(long.create().unwrap_err().code, Code::InvalidArgument);
    let mut named = node.container("c", &["true"]);
    named.request.id = "a/b".into();
    assert_eq!(named.create().unwrap_err().code, Code::InvalidArgument);
    assert_eq!(
        k3ts_runtime::start(&node.settings, "missing").unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn a_signal_reaches_the_first_process_or_all() {
    let node = Node::new();
    let script = "trap 'echo caught; exit 7' TERM; echo ready; while true; do sleep 0.05; done";
    let first = node.container("a", &["sh", "-c", script]);
    first.run();
    wait_until(|| first.text().contains("ready").then_some(()));
    first.signal(libc::SIGTERM, false);
    assert_eq!(
        (first.wait_for_exit().exit_code, first.text()),
        (7, "ready\ncaught\n".to_owned())
    );
    first.signal(libc::SIGTERM, false);

    let all = node.container("b", &["sh", "-c", "sleep 1000; echo slept"]);
    all.run();
    wait_until(|| (processes_of(&node, "b") > 1).then_some(()));
    all.signal(libc::SIGKILL, true);
    let state = all.wait_for_exit();
    assert_eq!((state.exit_code, state.signal), (137, libc::SIGKILL));
}

fn processes_of(node: &Node, name: &str) -> usize {
    let groups = node.groups(&format!("{}/pod/{name}", node.cgroup()));
    let count = |group: &PathBuf| {
        fs::read_to_string(group.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    groups.iter().map(count).max().unwrap_or(0)
}

#[test]
fn a_container_that_wants_too_much_memory_is_known_for_it() {
    let node = Node::new();
    let mut container = node.container("a", &["sh", "-c", "x=aaaaaaaa; while true; do x=$x$x; done"]);
    container.config["linux"]["resources"]["memory"] = json!({ "limit": 16 << 20, "swap": 16 << 20 });
    container.run();
    let state = container.wait_for_exit();
    assert_eq!((state.exit_code, state.signal, state.oom_killed), (137, 9, true));
}

#[test]
fn a_container_whose_shim_is_gone_is_lost_and_can_be_deleted() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let pid = container.state().unwrap().pid;
    kill(
        fs::read_to_string(container.directory.join("shim.pid"))
            .unwrap()
            .parse()
            .unwrap(),
    );
    wait_until(|| (container.status() == Some(ContainerStatus::Lost)).then_some(()));
    assert_eq!(container.create().unwrap_err().code, Code::FailedPrecondition);
    container.delete();
    assert_eq!(container.state(), None);
    assert!(!Path::new(&format!("/proc/{pid}/exe")).exists());
}

#[allow(unsafe_code)]
fn kill(pid: i32) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

#[test]
fn all_of_a_large_output_is_in_the_log_which_may_be_moved_away() {
    let node = Node::new();
    let script = "yes 0123456789 | head -c 3000000; head -c 100000 /dev/zero | tr '\\0' x; echo; echo end";
    let mut container = node.container("a", &["sh", "-c", script]);
    container.config["mounts"]
        .as_array_mut()
        .unwrap()
        .retain(|mount| mount["destination"] != "/dev/shm");
    container.create().unwrap();
    container.start();
    container.wait_for_exit();
    let text = container.text();
    assert_eq!(text.len(), 3_000_000 + 100_000 + 1 + 4);
    assert!(text.ends_with("x\nend\n"));

    let mut rotated = node.container("b", &["sh", "-c", "echo one; cat; echo two"]);
    (rotated.request.stdin, rotated.request.stdin_once) = (true, true);
    rotated.run();
    wait_until(|| rotated.text().contains("one").then_some(()));
    let log = Path::new(&rotated.request.log_path);
    fs::rename(log, log.with_extension("old")).unwrap();
    rotated.attach().end_input();
    rotated.wait_for_exit();
    assert_eq!(rotated.text(), "two\n");
}

#[test]
fn news_come_of_starts_and_ends_and_losses() {
    let node = Node::new();
    let before = node.container("before", &["sleep", "1000"]);
    before.run();
    let (watcher, stop) = Watcher::new(node.settings.clone()).unwrap();
    let (sender, news) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        watcher
            .map(|news| news.unwrap())
            .for_each(|news| sender.send(news).unwrap())
    });
    // Until there is news of it, and of nothing that did not change.
    let told = |id: &str| loop {
        let News { ids, containers } = news.recv_timeout(support::PATIENCE).unwrap();
        assert_eq!(ids, containers.iter().map(|one| one.id.clone()).collect::<Vec<_>>());
        if let Some(at) = ids.iter().position(|told| told == id) {
            return containers[at].status();
        }
    };
    let mut after = node.container("after", &["sh", "-c", "cat; exit 4"]);
    (after.request.stdin, after.request.stdin_once) = (true, true);
    after.run();
    told(after.id());
    after.attach().end_input();
    while told(after.id()) != ContainerStatus::Exited {}
    kill(
        fs::read_to_string(before.directory.join("shim.pid"))
            .unwrap()
            .parse()
            .unwrap(),
    );
    assert_eq!(told(before.id()), ContainerStatus::Lost);
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_start_that_was_cut_short_is_ended_by_the_next() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.create().unwrap();
    // All but its last step: the container goes on, and still looks as if it waited.
    fs::write(container.directory.join("started"), "2026-01-02T03:04:05.000000006Z").unwrap();
    let fifo = node.path(&format!("state/runtime/{}/exec.fifo", container.id()));
    if !fifo.exists() {
        return; // Another runtime than crun.
    }
    fs::OpenOptions::new()
        .write(true)
        .open(&fifo)
        .unwrap()
        .write_all(&[0])
        .unwrap();
    wait_until(|| (container.program() == "sleep").then_some(()));
    assert_eq!(container.status(), Some(ContainerStatus::Created));
    container.start();
    let state = container.state().unwrap();
    assert_eq!(state.status(), ContainerStatus::Running);
    assert_eq!(state.started_at, "2026-01-02T03:04:05.000000006Z");
}

#[test]
fn what_ended_before_its_start_was_not_started() {
    let node = Node::new();
    let container = node.container("a", &["true"]);
    kill(container.create().unwrap());
    container.wait_for_exit();
    let error = k3ts_runtime::start(&node.settings, container.id()).unwrap_err();
    assert!(error.message.contains(container.id()), "{}", error.message);
    assert_eq!(container.state().unwrap().started_at, "");
    container.delete();
    assert!(!node.path(&format!("state/runtime/{}", container.id())).exists());
    assert!(node.groups(&format!("{}/pod/a", node.cgroup())).is_empty());
}

/// The child of the test after it.
#[test]
fn child_that_creates_a_container_and_is_killed() {
    let Ok(directory) = std::env::var("K3TS_TEST_NODE") else {
        return;
    };
    let settings = support::open(Path::new(&directory));
    let request = serde_json::from_str::<serde_json::Value>(&std::env::var("K3TS_TEST_REQUEST").unwrap()).unwrap();
    let text = |name: &str| request[name].as_str().unwrap().to_owned();
    let request = k3ts_proto::v1::CreateContainerRequest {
        id: text("id"),
        bundle: text("bundle"),
        directory: text("directory"),
        log_path: text("log_path"),
        ..Default::default()
    };
    k3ts_runtime::create(&settings, &request).unwrap();
    k3ts_runtime::start(&settings, &request.id).unwrap();
    fs::write(Path::new(&directory).join("ready"), "").unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_container_outlives_the_process_that_made_it() {
    let node = Node::new();
    let script = "echo begin; trap 'echo end; exit 5' TERM; while true; do sleep 0.05; done";
    let container = node.container("a", &["sh", "-c", script]);
    fs::create_dir_all(&container.request.bundle).unwrap();
    fs::write(
        Path::new(&container.request.bundle).join("config.json"),
        container.config.to_string(),
    )
    .unwrap();
    let request = &container.request;
    let request = json!({ "id": request.id, "bundle": request.bundle, "directory": request.directory, "log_path": request.log_path });
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_creates_a_container_and_is_killed"])
        .env("K3TS_TEST_NODE", node.directory.path())
        .env("K3TS_TEST_REQUEST", request.to_string())
        .spawn()
        .unwrap();
    wait_until(|| node.path("ready").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();

    wait_until(|| container.text().contains("begin").then_some(()));
    assert_eq!(container.status(), Some(ContainerStatus::Running));
    assert_eq!(
        container.exec("x", &["echo", "hi"], false).unwrap().finish().stdout,
        "hi\n"
    );
    container.signal(libc::SIGTERM, false);
    let state = container.wait_for_exit();
    assert_eq!((state.exit_code, container.text()), (5, "begin\nend\n".to_owned()));
}
