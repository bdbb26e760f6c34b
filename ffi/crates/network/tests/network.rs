//! The real kernel, in network namespaces of the test's own. Needs root.

use k3ts_frames::Code;
use k3ts_network::{apply_rules, attach, ensure_bridge, find_source, list_links, remove_link, sync_routes};
use k3ts_proto::v1::{AttachRequest, EnsureBridgeRequest, Route, SyncRoutesRequest};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// A network namespace that lives as long as this.
struct Namespace(File);

impl Namespace {
    fn new() -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
            Namespace(File::open("/proc/thread-self/ns/net").unwrap())
        });
        made.join().unwrap()
    }

    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    /// Runs `work` on a thread inside.
    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn reaches(&self, ip: &str) -> bool {
        self.run(|| {
            let ping = Command::new("/bin/busybox")
                .args(["ping", "-c", "1", "-W", "2", ip])
                .stdout(Stdio::null())
                .status();
            ping.unwrap().success()
        })
    }

    fn routes(&self) -> String {
        self.run(|| String::from_utf8(Command::new("ip").args(["-4", "route"]).output().unwrap().stdout).unwrap())
    }
}

fn bridge(addresses: &[&str]) -> EnsureBridgeRequest {
    EnsureBridgeRequest {
        name: "k3ts0".into(),
        addresses: addresses.iter().map(|a| a.to_string()).collect(),
        mtu: 1400,
        ..Default::default()
    }
}

fn pod(namespace: &Namespace, host_interface: &str, address: &str) -> AttachRequest {
    AttachRequest {
        network_namespace: namespace.path(),
        bridge: "k3ts0".into(),
        host_interface: host_interface.into(),
        pod_interface: "eth0".into(),
        address: address.into(),
        gateway: "10.42.0.1".into(),
        mtu: 1400,
    }
}

#[test]
fn a_bridge_has_exactly_the_addresses_that_were_asked_for() {
    Namespace::new().run(|| {
        let first = ensure_bridge(&bridge(&["10.42.0.1/24", "10.43.0.10/32"])).unwrap();
        let mut changed = bridge(&["10.42.0.1/24", "10.43.0.11/32"]);
        changed.routes = vec!["10.43.0.0/16".into()];
        ensure_bridge(&changed).unwrap();
        let second = ensure_bridge(&changed).unwrap();
        let links = list_links("k3ts").unwrap();
        assert_eq!((first, links.len(), links[0].up), (second, 1, true));
        let ipv4: Vec<_> = links[0]
            .addresses
            .iter()
            .filter(|address| address.contains('.'))
            .collect();
        assert_eq!(ipv4, ["10.42.0.1/24", "10.43.0.11/32"]);
        let routes = Command::new("ip").args(["-4", "route"]).output().unwrap().stdout;
        let services = "10.43.0.0/16 dev k3ts0 proto static scope link src 10.42.0.1";
        assert!(String::from_utf8(routes).unwrap().contains(services));
        remove_link("k3ts0").unwrap();
        remove_link("k3ts0").unwrap();
        assert!(list_links("k3ts").unwrap().is_empty());
    });
}

#[test]
fn two_pods_reach_each_other_and_the_gateway() {
    let (host, one, two) = (Namespace::new(), Namespace::new(), Namespace::new());
    host.run(|| {
        ensure_bridge(&bridge(&["10.42.0.1/24"])).unwrap();
        let mac = attach(&pod(&one, "k3one", "10.42.0.7/24")).unwrap();
        assert_eq!(mac, "0a:58:0a:2a:00:07");
        attach(&pod(&two, "k3two", "10.42.0.8/24")).unwrap();
        let before: Vec<_> = list_links("k3")
            .unwrap()
            .iter()
            .map(|link| (link.name.clone(), link.index))
            .collect();
        // Again: nothing is made anew.
        attach(&pod(&one, "k3one", "10.42.0.7/24")).unwrap();
        let after: Vec<_> = list_links("k3")
            .unwrap()
            .iter()
            .map(|link| (link.name.clone(), link.index))
            .collect();
        assert_eq!(before, after);
    });
    for ip in ["10.42.0.1", "10.42.0.7", "10.42.0.8", "127.0.0.1"] {
        assert!(one.reaches(ip) && two.reaches(ip), "{ip}");
    }
    assert_eq!(
        one.routes().lines().count(),
        2,
        "only the gateway is on the link: {}",
        one.routes()
    );
}

#[test]
fn a_pod_that_is_attached_anew_takes_the_place_of_the_old() {
    let (host, one, two) = (Namespace::new(), Namespace::new(), Namespace::new());
    host.run(|| {
        ensure_bridge(&bridge(&["10.42.0.1/24"])).unwrap();
        attach(&pod(&one, "k3one", "10.42.0.7/24")).unwrap();
    });
    assert!(one.reaches("10.42.0.1"));
    host.run(|| attach(&pod(&one, "k3one", "10.42.0.9/24")).unwrap());
    assert!(one.reaches("10.42.0.1"));
    // The host's name is given to another namespace: as after a node's restart.
    host.run(|| attach(&pod(&two, "k3one", "10.42.0.9/24")).unwrap());
    assert!(two.reaches("10.42.0.1") && !one.reaches("10.42.0.1"));
    drop(two);
    host.run(|| remove_link("k3one").unwrap());
}

#[test]
fn a_service_leads_to_a_pod_beside_the_client_and_to_the_client_itself() {
    const RULES: &str = "
add table ip k3ts-test
delete table ip k3ts-test
table ip k3ts-test {
  chain services {
    type nat hook prerouting priority dstnat
    ip daddr 10.43.0.5 tcp dport 80 dnat to 10.42.0.8:8080
    ip daddr 10.43.0.6 tcp dport 80 dnat to 10.42.0.7:8080
  }
  chain leave {
    type nat hook postrouting priority srcnat
    ip saddr 10.42.0.7 ip daddr 10.42.0.7 masquerade
  }
}
";
    let (host, one, two) = (Namespace::new(), Namespace::new(), Namespace::new());
    host.run(|| {
        ensure_bridge(&bridge(&["10.42.0.1/24"])).unwrap();
        attach(&pod(&one, "k3one", "10.42.0.7/24")).unwrap();
        attach(&pod(&two, "k3two", "10.42.0.8/24")).unwrap();
        apply_rules(RULES).unwrap();
        apply_rules(RULES).unwrap();
    });
    let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).unwrap();
    let fetch = |service: [u8; 4]| {
        let address = SocketAddr::V4(SocketAddrV4::new(service.into(), 80));
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    for (server, service, name) in [(&two, [10, 43, 0, 5], "two"), (&one, [10, 43, 0, 6], "one")] {
        let listener = server.run(listen);
        thread::scope(|scope| {
            scope.spawn(|| listener.accept().unwrap().0.write_all(name.as_bytes()).unwrap());
            assert_eq!(one.run(|| fetch(service)), name);
        });
    }
}

fn routes(wanted: &[(&str, &str)]) -> SyncRoutesRequest {
    let route = |(destination, gateway): &(&str, &str)| Route {
        destination: (*destination).into(),
        gateway: (*gateway).into(),
    };
    SyncRoutesRequest {
        routes: wanted.iter().map(route).collect(),
    }
}

/// Runs `ip` in the namespace of this thread.
fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Those that carry our number.
fn ours() -> Vec<String> {
    let text = ip("-4 route show proto 107");
    text.lines()
        .map(|line| line.split(" dev").next().unwrap().to_owned())
        .collect()
}

#[test]
fn routes_are_exactly_those_that_were_asked_for_and_others_stay() {
    Namespace::new().run(|| {
        ip("link add one type bridge");
        ip("address add 192.0.2.1/24 dev one");
        ip("link set one up");
        ip("route add 10.42.9.0/24 via 192.0.2.9");
        let first = sync_routes(&routes(&[("10.42.1.0/24", "192.0.2.2"), ("10.42.2.0/24", "192.0.2.3")])).unwrap();
        assert_eq!((first.set, first.removed, first.failures.len()), (2, 0, 0));
        assert_eq!(ours(), ["10.42.1.0/24 via 192.0.2.2", "10.42.2.0/24 via 192.0.2.3"]);
        let again = sync_routes(&routes(&[("10.42.1.0/24", "192.0.2.2"), ("10.42.2.0/24", "192.0.2.3")])).unwrap();
        assert_eq!((again.set, again.removed), (0, 0));
        // One moves, one goes, one is somebody else's, one has no way there.
        let changed = [
            ("10.42.1.0/24", "192.0.2.4"),
            ("10.42.9.0/24", "192.0.2.5"),
            ("10.42.8.0/24", "198.51.100.1"),
        ];
        let moved = sync_routes(&routes(&changed)).unwrap();
        assert_eq!((moved.set, moved.removed), (1, 1));
        let failures: Vec<_> = moved.failures.iter().map(|failure| &failure.destination[..]).collect();
        assert_eq!(failures, ["10.42.9.0/24", "10.42.8.0/24"]);
        assert!(
            moved.failures[0]
                .message
                .starts_with("Cannot route 10.42.9.0/24 by 192.0.2.5: File exists")
        );
        assert_eq!(ours(), ["10.42.1.0/24 via 192.0.2.4"]);
        // What went with its interface is made again.
        ip("link set one down");
        ip("link set one up");
        assert_eq!(sync_routes(&routes(&[("10.42.1.0/24", "192.0.2.4")])).unwrap().set, 1);
        assert_eq!(sync_routes(&routes(&[])).unwrap().removed, 1);
        assert!(ours().is_empty());
    });
}

#[test]
fn the_source_is_the_address_on_the_way() {
    Namespace::new().run(|| {
        assert_eq!(find_source("192.0.2.9").unwrap_err().code, Code::NotFound);
        ip("link set lo up");
        ip("link add one type bridge");
        ip("address add 192.0.2.1/24 dev one");
        ip("link set one up");
        assert_eq!(find_source("192.0.2.9").unwrap(), "192.0.2.1");
        assert_eq!(find_source("127.0.0.1").unwrap(), "127.0.0.1");
        assert_eq!(find_source("elsewhere").unwrap_err().code, Code::InvalidArgument);
    });
}

#[test]
fn a_route_that_makes_no_sense_is_refused_before_anything_is_done() {
    Namespace::new().run(|| {
        for (destination, gateway) in [
            ("0.0.0.0/0", "192.0.2.2"),
            ("10.42.1.1/24", "192.0.2.2"),
            ("fd00::/64", "192.0.2.2"),
            ("10.42.1.0/24", "fd00::1"),
            ("10.42.1.0/24", ""),
        ] {
            let error = sync_routes(&routes(&[(destination, gateway)])).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{destination} {gateway}");
        }
        let twice = routes(&[("10.42.1.0/24", "192.0.2.2"), ("10.42.1.0/24", "192.0.2.3")]);
        assert_eq!(sync_routes(&twice).unwrap_err().code, Code::InvalidArgument);
    });
}

#[test]
fn what_cannot_be_is_said_with_its_reason() {
    let (host, pod_namespace) = (Namespace::new(), Namespace::new());
    host.run(|| {
        let missing = attach(&pod(&pod_namespace, "k3one", "10.42.0.7/24")).unwrap_err();
        assert_eq!(
            (missing.code, &missing.message[..]),
            (Code::NotFound, "Cannot find the interface k3ts0")
        );
        let mut nowhere = pod(&pod_namespace, "k3one", "10.42.0.7/24");
        nowhere.network_namespace = "/nowhere".into();
        assert!(attach(&nowhere).unwrap_err().message.contains("/nowhere"));
        let refused = apply_rules("add table ip a\nadd chain ip a\n").unwrap_err();
        assert!(
            refused.message.contains("line 2 is \"add chain ip a\""),
            "{}",
            refused.message
        );
        assert!(apply_rules("add chain ip nowhere x\n").is_err());
    });
}
