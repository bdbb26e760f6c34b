//! A node in a folder: the real shim and the real crun, with a root file system made of busybox.

#![allow(dead_code)]

mod attach;

pub use attach::Attached;
use k3ts_frames::RpcError;
use k3ts_proto::v1::{
    ContainerState, ContainerStatus, CreateContainerRequest, RuntimeServiceExecRequest, RuntimeServiceOpenRequest,
    SignalContainerRequest,
};
use k3ts_runtime::Settings;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(20);
const APPLETS: [&str; 12] = [
    "sh", "cat", "echo", "sleep", "stty", "hostname", "ping", "dd", "yes", "head", "tr", "true",
];

pub struct Node {
    pub directory: TempDir,
    pub settings: Arc<Settings>,
}

impl Node {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("k3-").tempdir_in("/tmp").unwrap();
        let settings = Arc::new(open(directory.path()));
        let bin = directory.path().join("root/bin");
        fs::create_dir_all(&bin).unwrap();
        for name in ["proc", "dev", "sys", "tmp"] {
            fs::create_dir(directory.path().join("root").join(name)).unwrap();
        }
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        Node { directory, settings }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// No other node's container has it.
    pub fn id(&self, name: &str) -> String {
        let unique = self.directory.path().file_name().unwrap().to_str().unwrap();
        format!("{unique}-{name}")
    }

    pub fn cgroup(&self) -> String {
        format!("/{}", self.id("test"))
    }

    /// Directories of a control group, in whatever trees have it.
    pub fn groups(&self, path: &str) -> Vec<PathBuf> {
        let roots = fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .flatten()
            .map(|entry| entry.path());
        let roots = roots.chain([PathBuf::from("/sys/fs/cgroup")]);
        roots
            .map(|root| root.join(path.trim_matches('/')))
            .filter(|group| group.is_dir())
            .collect()
    }

    pub fn container(&self, name: &str, command: &[&str]) -> Container<'_> {
        let config = json!({
            "ociVersion": "1.0.0",
            "process": {
                "terminal": false, "user": { "uid": 0, "gid": 0 }, "args": command, "cwd": "/",
                "env": ["PATH=/bin", "TERM=xterm"], "capabilities": { "bounding": ["CAP_KILL", "CAP_NET_RAW"],
                "effective": ["CAP_KILL", "CAP_NET_RAW"], "permitted": ["CAP_KILL", "CAP_NET_RAW"] },
            },
            "root": { "path": self.path("root"), "readonly": true },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                  "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
            ],
            "linux": {
                "cgroupsPath": format!("{}/pod/{name}", self.cgroup()),
                "namespaces": [{ "type": "pid" }, { "type": "mount" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }],
                "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            },
        });
        let id = self.id(name);
        let directory = self.path(&format!("c/{name}"));
        let request = CreateContainerRequest {
            bundle: self.path(&format!("b/{name}")).display().to_string(),
            log_path: self.path(&format!("log/{name}/0.log")).display().to_string(),
            directory: directory.display().to_string(),
            id,
            ..Default::default()
        };
        Container {
            node: self,
            config,
            request,
            directory,
        }
    }

    pub fn states(&self) -> Vec<ContainerState> {
        k3ts_runtime::list(&self.settings, Vec::new()).unwrap()
    }
}

/// What another process sees of the same node.
pub fn open(directory: &Path) -> Settings {
    let request = RuntimeServiceOpenRequest {
        state_directory: directory.join("state").display().to_string(),
        // Another runtime may be named, to see whether it will do.
        runtime_binary: std::env::var("K3TS_TEST_RUNTIME").unwrap_or_default(),
        shim_binary: shim().display().to_string(),
    };
    Settings::open(&request).unwrap()
}

/// Everything goes, whatever the test has come to.
impl Drop for Node {
    fn drop(&mut self) {
        for state in self.states() {
            let _ = k3ts_runtime::delete(&self.settings, &state.id);
        }
        for group in self.groups(&self.cgroup()) {
            let _ = fs::remove_dir(group);
        }
    }
}

pub struct Container<'a> {
    pub node: &'a Node,
    pub config: Value,
    pub request: CreateContainerRequest,
    pub directory: PathBuf,
}

impl Container<'_> {
    pub fn id(&self) -> &str {
        &self.request.id
    }

    pub fn create(&self) -> Result<i32, RpcError> {
        let bundle = Path::new(&self.request.bundle);
        fs::create_dir_all(bundle).unwrap();
        fs::write(bundle.join("config.json"), self.config.to_string()).unwrap();
        k3ts_runtime::create(&self.node.settings, &self.request)
    }

    pub fn start(&self) {
        k3ts_runtime::start(&self.node.settings, self.id()).unwrap();
    }

    /// Creates and starts it.
    pub fn run(&self) {
        self.create().unwrap();
        self.start();
    }

    pub fn delete(&self) {
        k3ts_runtime::delete(&self.node.settings, self.id()).unwrap();
    }

    pub fn signal(&self, signal: i32, all: bool) {
        let request = SignalContainerRequest {
            id: self.id().to_owned(),
            signal,
            all,
        };
        k3ts_runtime::signal(&self.node.settings, &request).unwrap();
    }

    pub fn state(&self) -> Option<ContainerState> {
        self.node.states().into_iter().find(|state| state.id == self.id())
    }

    pub fn status(&self) -> Option<ContainerStatus> {
        self.state().map(|state| state.status())
    }

    pub fn wait_for_exit(&self) -> ContainerState {
        wait_until(|| self.state().filter(|state| state.status() == ContainerStatus::Exited))
    }

    /// The name of what its first process runs.
    pub fn program(&self) -> String {
        let pid = self.state().unwrap().pid;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        name.trim().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.request.log_path).unwrap_or_default()
    }

    /// The text of the log's lines, parts joined.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.log().lines() {
            let mut parts = line.splitn(4, ' ').skip(2);
            let (tag, content) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            text.push_str(content);
            text.push_str(if tag == "F" { "\n" } else { "" });
        }
        text
    }

    pub fn attach(&self) -> Attached {
        Attached::to(&self.directory.join("attach.sock"))
    }

    pub fn exec(&self, name: &str, command: &[&str], tty: bool) -> Result<Attached, RpcError> {
        let process = json!({
            "terminal": tty, "user": { "uid": 0, "gid": 0 }, "args": command, "cwd": "/", "env": ["PATH=/bin", "TERM=xterm"],
        });
        let socket = k3ts_runtime::exec(
            &self.node.settings,
            &RuntimeServiceExecRequest {
                id: self.id().to_owned(),
                directory: self.directory.join(name).display().to_string(),
                process: process.to_string().into_bytes().into(),
                stdin: true,
                tty,
                connect_timeout_ms: 0,
            },
        )?;
        Ok(Attached::to(&socket))
    }
}

/// Asks until there is an answer.
pub fn wait_until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "nothing happened within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Built when its sources are newer: to ask cargo would mean to wait for whatever else is being built.
pub fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        const TARGET: &str = "x86_64-unknown-linux-musl";
        // TARGET_DIRECTORY/release/deps/TEST
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        let shim = target.join(TARGET).join("release/k3ts-shim");
        // As it is when the test runs: checkouts share what is compiled, and one that compiled it may be gone.
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"));
        let sources = fs::read_dir(package.join("../../bin/shim/src")).unwrap().flatten();
        let changed = sources
            .map(|source| source.metadata().unwrap().modified().unwrap())
            .max()
            .unwrap();
        if fs::metadata(&shim).is_ok_and(|built| built.modified().unwrap() > changed) {
            return shim;
        }
        let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args([
                "build",
                "--quiet",
                "--release",
                "--package",
                "k3ts-shim",
                "--target",
                TARGET,
            ])
            .current_dir(&package)
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .unwrap();
        assert!(built.success());
        shim
    })
}
