//! Namespaces that a pod's containers share, and the network between pods. Needs root and crun.

mod support;

use k3ts_frames::Code;
use k3ts_network::{attach, ensure_bridge};
use k3ts_proto::v1::{AttachRequest, CreateSandboxRequest, CreateSandboxResponse, EnsureBridgeRequest};
use k3ts_runtime::{create_sandbox, remove_sandbox, share_processes};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use support::{Container, Node, wait_until};

fn sandbox(node: &Node, name: &str) -> CreateSandboxRequest {
    CreateSandboxRequest {
        directory: node.path(&format!("s/{name}")).display().to_string(),
        hostname: name.to_owned(),
        sysctls: [("net.ipv4.ip_unprivileged_port_start".to_owned(), "81".to_owned())].into(),
        ..Default::default()
    }
}

fn join(container: &mut Container, sandbox: &CreateSandboxResponse) {
    container.config["linux"]["namespaces"] = json!([
        { "type": "pid" }, { "type": "mount" },
        { "type": "network", "path": sandbox.network_namespace },
        { "type": "ipc", "path": sandbox.ipc_namespace },
        { "type": "uts", "path": sandbox.uts_namespace },
    ]);
}

#[test]
fn containers_of_one_sandbox_share_its_namespaces() {
    let node = Node::new();
    let request = sandbox(&node, "pod-a");
    let made = create_sandbox(&request).unwrap();
    let inode = |path: &str| fs::metadata(path).unwrap().ino();
    let before = inode(&made.network_namespace);
    assert_eq!(create_sandbox(&request).unwrap(), made);
    assert_eq!(
        inode(&made.network_namespace),
        before,
        "again is no error and changes nothing"
    );
    let texts: Vec<String> = ["a", "b"]
        .map(|name| {
            let script = "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; sleep 1000";
            let mut container = node.container(name, &["sh", "-c", script]);
            join(&mut container, &made);
            container.run();
            wait_until(|| Some(container.text()).filter(|text| text.lines().count() == 2))
        })
        .into();
    assert_eq!(texts, ["pod-a\n81\n", "pod-a\n81\n"]);
    for state in node.states() {
        k3ts_runtime::delete(&node.settings, &state.id).unwrap();
    }
    remove_sandbox(&request.directory).unwrap();
    remove_sandbox(&request.directory).unwrap();
    assert!(!Path::new(&request.directory).exists());
}

#[test]
fn what_an_interrupted_call_left_is_made_anew() {
    let node = Node::new();
    let request = sandbox(&node, "pod-a");
    fs::create_dir_all(&request.directory).unwrap();
    fs::write(Path::new(&request.directory).join("net"), "").unwrap();
    let made = create_sandbox(&request).unwrap();
    nix::mount::umount(Path::new(&made.uts_namespace)).unwrap();
    create_sandbox(&request).unwrap();
    remove_sandbox(&request.directory).unwrap();
    assert!(!Path::new(&request.directory).exists());
}

#[test]
fn a_pod_on_the_hosts_network_has_the_hosts_name_too() {
    let node = Node::new();
    let mut request = sandbox(&node, "pod-a");
    (request.host_network, request.sysctls) = (true, Default::default());
    let made = create_sandbox(&request).unwrap();
    assert_eq!((&made.network_namespace[..], &made.uts_namespace[..]), ("", ""));
    assert!(made.ipc_namespace.ends_with("/ipc"));
    remove_sandbox(&request.directory).unwrap();
}

#[test]
fn settings_of_the_whole_machine_are_not_a_pods_to_change() {
    let node = Node::new();
    for name in [
        "kernel.panic",
        "vm.swappiness",
        "net",
        "net.ipv4/../../kernel/panic",
        "net..x",
        "kernel.hostname",
    ] {
        let mut request = sandbox(&node, "pod-a");
        request.sysctls = [(name.to_owned(), "1".to_owned())].into();
        assert_eq!(
            create_sandbox(&request).unwrap_err().code,
            Code::InvalidArgument,
            "{name}"
        );
    }
    let mut missing = sandbox(&node, "pod-a");
    missing.sysctls = [("net.ipv4.nowhere".to_owned(), "1".to_owned())].into();
    assert!(create_sandbox(&missing).unwrap_err().message.contains("nowhere"));
    assert!(!node.path("s/pod-a/net").exists());
}

#[test]
fn pods_reach_each_other_over_the_bridge() {
    // The machine's own network stays as it is: this thread, and what it starts, is in one of its own.
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let node = Node::new();
    let bridge = EnsureBridgeRequest {
        name: "k3ts0".into(),
        addresses: vec!["10.42.0.1/24".into()],
        ..Default::default()
    };
    ensure_bridge(&bridge).unwrap();
    let addresses = [("pod-a", "10.42.0.7"), ("pod-b", "10.42.0.8")];
    let sandboxes = addresses.map(|(name, address)| {
        let made = create_sandbox(&sandbox(&node, name)).unwrap();
        let request = AttachRequest {
            network_namespace: made.network_namespace.clone(),
            bridge: "k3ts0".into(),
            host_interface: name.into(),
            pod_interface: "eth0".into(),
            address: format!("{address}/24"),
            gateway: "10.42.0.1".into(),
            mtu: 0,
        };
        attach(&request).unwrap();
        made
    });
    let mut one = node.container("a", &["ping", "-c", "1", "-W", "5", "10.42.0.8"]);
    join(&mut one, &sandboxes[0]);
    one.run();
    let state = one.wait_for_exit();
    let text = one.text();
    for (name, _) in addresses {
        remove_sandbox(&sandbox(&node, name).directory).unwrap();
    }
    assert_eq!(state.exit_code, 0, "{text}");
}

#[test]
fn containers_that_share_processes_see_each_other_and_nothing_of_the_first_one() {
    let node = Node::new();
    let request = sandbox(&node, "pod-p");
    let made = create_sandbox(&request).unwrap();
    let namespace = share_processes(&node.settings, &request.directory).unwrap();
    assert_eq!(share_processes(&node.settings, &request.directory).unwrap(), namespace);
    let mut first = node.container("first", &["sh", "-c", "sleep 1234"]);
    let script = "until cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | busybox grep -q 'sleep 1[2]34'; do sleep 0.1; done; busybox grep Uid /proc/1/status; \
        busybox ls /proc/1/root /proc/1/fd; echo end; sleep 1000";
    let mut second = node.container("second", &["sh", "-c", script]);
    for container in [&mut first, &mut second] {
        join(container, &made);
        container.config["linux"]["namespaces"][0] = json!({ "type": "pid", "path": namespace });
        container.run();
    }
    let text = wait_until(|| Some(second.text()).filter(|text| text.contains("end")));
    assert!(text.contains("65535"), "{text}");
    assert!(!text.contains("etc") && !text.contains("bin"), "{text}");
    for state in node.states() {
        k3ts_runtime::delete(&node.settings, &state.id).unwrap();
    }
    let pid = fs::read_to_string(Path::new(&request.directory).join("pause.pid")).unwrap();
    remove_sandbox(&request.directory).unwrap();
    // Whoever adopts it buries it.
    wait_until(|| (!Path::new(&format!("/proc/{}/root", pid.trim())).exists()).then_some(()));
    assert!(!Path::new(&request.directory).exists());
}
