//! Standard streams, of containers and of what is executed in them. Needs root and crun.

mod support;

use k3ts_frames::Code;
use k3ts_proto::v1::ContainerStatus;
use std::io::Read;
use support::{Node, wait_until};

#[test]
fn an_exec_has_its_own_streams_and_exit_code() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let mut exec = container
        .exec("x", &["sh", "-c", "cat; echo err >&2; exit 5"], false)
        .unwrap();
    exec.type_text("hello ");
    exec.type_text("world\n");
    exec.end_input();
    let outcome = exec.finish();
    assert_eq!(
        (&outcome.stdout[..], &outcome.stderr[..], outcome.exit),
        ("hello world\n", "err\n", Some(5))
    );
    assert_eq!(container.text(), "", "it is not in the container's log");
    wait_until(|| (!container.directory.join("x").exists()).then_some(()));

    let missing = container.exec("y", &["nowhere"], false).unwrap().finish();
    assert_eq!(missing.exit, Some(127));
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
    let killed = container
        .exec("z", &["sh", "-c", "kill -9 $$"], false)
        .unwrap()
        .finish();
    assert_eq!(killed.exit, Some(137));
}

#[test]
fn an_exec_whose_client_is_slow_waits_and_loses_nothing() {
    const BYTES: usize = 20_000_000;
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let exec = container.exec("x", &["head", "-c", &BYTES.to_string(), "/dev/zero"], false);
    let exec = exec.unwrap();
    // Long enough for everything to fill up.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let outcome = exec.finish();
    assert_eq!((outcome.stdout.len(), outcome.exit), (BYTES, Some(0)));
}

#[test]
fn an_exec_does_not_wait_for_what_goes_on_in_the_background() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let outcome = container
        .exec("x", &["sh", "-c", "sleep 1000 & echo done"], false)
        .unwrap()
        .finish();
    assert_eq!((&outcome.stdout[..], outcome.exit), ("done\n", Some(0)));
}

#[test]
fn an_exec_on_a_terminal_knows_its_size() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    let mut exec = container.exec("x", &["sh"], true).unwrap();
    exec.resize(101, 42);
    exec.type_text("stty size; exit 6\n");
    let outcome = exec.finish();
    assert!(outcome.stdout.contains("42 101\r\n"), "{:?}", outcome.stdout);
    assert_eq!(outcome.exit, Some(6));
}

#[test]
fn an_exec_ends_when_its_client_goes() {
    let node = Node::new();
    let container = node.container("a", &["sleep", "1000"]);
    container.run();
    for (name, tty) in [("x", false), ("y", true)] {
        let mut exec = container
            .exec(
                name,
                &["sh", "-c", "echo begin; cat; echo end; sleep 0.1; echo end"],
                tty,
            )
            .unwrap();
        exec.read_until("begin");
        drop(exec);
        wait_until(|| (!container.directory.join(name).exists()).then_some(()));
    }
    // Of one that nobody comes for, nothing is left either.
    let socket = k3ts_runtime::exec(
        &node.settings,
        &k3ts_proto::v1::RuntimeServiceExecRequest {
            id: container.id().to_owned(),
            directory: container.directory.join("z").display().to_string(),
            process: b"{}".to_vec().into(),
            connect_timeout_ms: 50,
            ..Default::default()
        },
    );
    assert!(socket.unwrap().ends_with("z/attach.sock"));
    wait_until(|| (!container.directory.join("z").exists()).then_some(()));
}

#[test]
fn nothing_is_executed_in_what_has_ended() {
    let node = Node::new();
    let container = node.container("a", &["true"]);
    container.run();
    container.wait_for_exit();
    let error = container.exec("x", &["true"], false).err().unwrap();
    assert_eq!(error.code, Code::FailedPrecondition);
}

#[test]
fn clients_of_a_container_come_and_go() {
    let node = Node::new();
    let mut container = node.container(
        "a",
        &[
            "sh",
            "-c",
            "while read line; do echo got $line; done; echo over; exit 2",
        ],
    );
    container.request.stdin = true;
    container.run();
    for text in ["one", "two"] {
        let mut client = container.attach();
        client.type_text(&format!("{text}\n"));
        client.read_until(&format!("got {text}\n"));
        // Without stdin_once the stream goes on for the next client.
        client.end_input();
    }
    assert_eq!(container.status(), Some(ContainerStatus::Running));
    let client = container.attach();
    container.signal(libc::SIGKILL, false);
    assert_eq!(client.finish().exit, Some(137));
    assert_eq!(container.text(), "got one\ngot two\n");
}

#[test]
fn standard_input_ends_with_the_first_client_if_so_wished() {
    let node = Node::new();
    let mut container = node.container("a", &["sh", "-c", "cat; exit 3"]);
    (container.request.stdin, container.request.stdin_once) = (true, true);
    container.run();
    let mut client = container.attach();
    client.type_text("all");
    client.read_until("all");
    drop(client);
    assert_eq!(
        (container.wait_for_exit().exit_code, container.text()),
        (3, "all".to_owned())
    );
}

#[test]
fn a_client_that_does_not_read_stops_neither_the_container_nor_its_log() {
    const BYTES: usize = 8_000_000;
    let node = Node::new();
    let mut container = node.container("a", &["sh", "-c", &format!("cat; yes | head -c {BYTES}")]);
    (container.request.stdin, container.request.stdin_once) = (true, true);
    container.run();
    let mut client = container.attach();
    client.end_input();
    assert_eq!(container.wait_for_exit().exit_code, 0);
    assert_eq!(container.text().len(), BYTES);
    // It was dropped: what it gets is less than everything, and no exit.
    let mut rest = Vec::new();
    client.socket.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < BYTES, "{}", rest.len());
}

#[test]
fn who_only_looks_on_ends_no_input_and_who_came_to_give_it_does() {
    let node = Node::new();
    let mut container = node.container("a", &["sh", "-c", "cat; exit 3"]);
    (container.request.stdin, container.request.stdin_once) = (true, true);
    container.run();
    let (looks_on, mut gives) = (container.attach(), container.attach());
    gives.send(5, b"");
    gives.type_text("a");
    gives.read_until("a");
    drop(looks_on);
    gives.type_text("b");
    gives.read_until("b");
    assert_eq!(container.status(), Some(ContainerStatus::Running));
    drop(gives);
    assert_eq!(
        (container.wait_for_exit().exit_code, container.text()),
        (3, "ab".to_owned())
    );
}

#[test]
fn a_client_that_reads_late_gets_everything_as_the_container_waits() {
    const BYTES: usize = 8_000_000;
    let node = Node::new();
    let mut container = node.container(
        "a",
        &["sh", "-c", &format!("read line; yes | head -c {BYTES}; read line")],
    );
    container.request.stdin = true;
    container.run();
    let mut client = container.attach();
    client.type_text("go\n");
    // Long enough for everything to fill up.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut seen = 0;
    while seen < BYTES {
        seen += client.frame().expect("the client was dropped").data.len();
    }
    client.type_text("end\n");
    assert_eq!(client.finish().exit, Some(0));
}

#[test]
fn a_container_may_have_a_terminal() {
    let node = Node::new();
    let mut container = node.container("a", &["sh"]);
    (container.request.tty, container.request.stdin) = (true, true);
    container.config["process"]["terminal"] = true.into();
    container.run();
    let mut client = container.attach();
    client.resize(80, 25);
    client.type_text("stty size\n");
    client.read_until("25 80");
    client.type_text("exit 9\n");
    assert_eq!(client.finish().exit, Some(9));
    assert!(container.text().contains("25 80"), "{:?}", container.text());
}
