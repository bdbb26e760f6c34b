//! Connections into the network of a pod: `forward --socket PATH [--network NAMESPACE]`.
//!
//! Whoever connects to the socket sends a port (u16) and a number of its own (u32, both little-endian). The answer is a
//! byte: 0 when the pod has accepted on its localhost, else 1 and a text with its length before it (u16). From then on
//! bytes go both ways, each of which ends on its own. The process lives for as long as its standard input is open. On
//! its standard output it says `ok` or `error TEXT` once, and then for each connection that a pod has accepted and says
//! no more on a line, `NUMBER` and a space, with the reason behind it when the pod has broken it off.

use crate::sys;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Half of them for each direction.
const THREADS_MAX: usize = 2048;
const STACK_BYTES: usize = 64 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;
const CONNECT_MAX: Duration = Duration::from_secs(10);

pub fn main(words: impl Iterator<Item = String>) -> ExitCode {
    match listen(words) {
        Ok(listener) => {
            let (ends, ended) = sync_channel(THREADS_MAX);
            thread::spawn(move || tell(&ended));
            thread::spawn(move || accept_all(&listener, &ends));
            // The end of whoever started this is the end of this.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            ExitCode::SUCCESS
        }
        Err(error) => {
            sys::finish_stdout(&format!("error {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// The socket is made outside the pod's network and answered from within: paths know nothing of networks.
fn listen(mut words: impl Iterator<Item = String>) -> Result<UnixListener, String> {
    let (mut socket, mut network) = (None, None);
    while let Some(name) = words.next() {
        let place = match name.as_str() {
            "--socket" => &mut socket,
            "--network" => &mut network,
            _ => return Err(format!("Cannot forward as {name} is no option of it")),
        };
        *place = words.next();
    }
    let socket = socket.ok_or("Cannot forward as --socket must be given")?;
    let because = |error: io::Error| format!("the pod's network cannot be entered: {error}");
    let listener = UnixListener::bind(socket).map_err(because)?;
    if let Some(network) = network {
        sys::enter_network(&File::open(network).map_err(because)?).map_err(because)?;
    }
    sys::give_up_rights().map_err(because)?;
    Ok(listener)
}

/// How the start went, and all that ends.
fn tell(ended: &Receiver<String>) {
    let mut output = io::stdout().lock();
    let mut say = |text: &str| output.write_all(text.as_bytes()).and_then(|()| output.flush());
    let _ = say("ok\n");
    // Who does not listen any more does not ask, either.
    while let Ok(line) = ended.recv() {
        let _ = say(&line);
    }
}

/// What the pod says on a connection; told when it is dropped.
struct Saying {
    number: u32,
    broken: Arc<OnceLock<String>>,
    ends: SyncSender<String>,
}

impl Drop for Saying {
    fn drop(&mut self) {
        let reason = self.broken.get().map_or("", String::as_str);
        let _ = self.ends.send(format!("{} {reason}\n", self.number));
    }
}

fn accept_all(listener: &UnixListener, ends: &SyncSender<String>) {
    let held = Arc::new(());
    loop {
        let Ok((client, _)) = listener.accept() else { continue };
        // Whoever connects in vain sees the end at once.
        if Arc::strong_count(&held) * 2 > THREADS_MAX {
            continue;
        }
        let (hold, ends) = (held.clone(), ends.clone());
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let _ = serve(&client, ends);
            let _ = client.shutdown(Shutdown::Both);
            drop(hold);
        });
    }
}

fn serve(mut client: &UnixStream, ends: SyncSender<String>) -> io::Result<()> {
    let (mut port, mut number) = ([0; 2], [0; 4]);
    client.read_exact(&mut port)?;
    client.read_exact(&mut number)?;
    let port = u16::from_le_bytes(port);
    let pod = match connect(port) {
        Ok(pod) => pod,
        Err(text) => {
            let length = (text.len() as u16).to_le_bytes();
            return client.write_all(&[&[1], &length[..], text.as_bytes()].concat());
        }
    };
    let broken = Arc::new(OnceLock::new());
    let saying = Saying {
        number: u32::from_le_bytes(number),
        broken: broken.clone(),
        ends,
    };
    client.write_all(&[0])?;
    // What is typed is to arrive as it is typed.
    pod.set_nodelay(true)?;
    let (back, from_pod) = (client.try_clone()?, pod.try_clone()?);
    let answers = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        if let Err(Failure::Read(error)) = copy(&from_pod, &back) {
            let _ = saying.broken.set(reason(&error));
        }
        drop(saying);
        let _ = back.shutdown(Shutdown::Write);
    })?;
    match copy(client, &pod) {
        Ok(()) => pod.shutdown(Shutdown::Write),
        // The pod hears no more. Whoever still sends is told; what the pod says is still passed on.
        Err(failure) => {
            // The kernel tells a reset once, to whoever comes first.
            if let Failure::Write(error) = failure
                && error.kind() == ErrorKind::ConnectionReset
            {
                let _ = broken.set(reason(&error));
            }
            client.shutdown(Shutdown::Read)
        }
    }
    .unwrap_or(());
    // Who has gone altogether wants no answers either.
    sys::poll(&mut [crate::relay::entry(client, 0)], None)?;
    pod.shutdown(Shutdown::Both).unwrap_or(());
    let _ = answers.join();
    Ok(())
}

/// `localhost` of the pod, as either family understands it.
fn connect(port: u16) -> Result<TcpStream, String> {
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&four, CONNECT_MAX).or_else(|first| {
        TcpStream::connect_timeout(&six, CONNECT_MAX).map_err(|second| {
            format!("failed to connect to localhost:{port} inside the pod, IPv4: {first}, IPv6: {second}")
        })
    })
}

/// As a kubelet has it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string().replace('\n', " "),
    }
}

/// Which side has failed.
enum Failure {
    Read(io::Error),
    Write(io::Error),
}

/// Until the reader's end. A wait that a signal ended is no error.
fn copy(mut from: impl Read, mut to: impl Write) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count]).map_err(Failure::Write)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const NUMBER: u32 = 70_000;

    /// A client that is being served, a pod's port, and what is told.
    fn start() -> (UnixStream, TcpListener, thread::JoinHandle<()>, Receiver<String>) {
        let pod = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (mut client, ours) = UnixStream::pair().unwrap();
        let port = pod.local_addr().unwrap().port();
        ask(&mut client, port);
        let (ends, ended) = sync_channel(1);
        let serving = thread::spawn(move || {
            let _ = serve(&ours, ends);
        });
        (client, pod, serving, ended)
    }

    fn ask(client: &mut UnixStream, port: u16) {
        client.write_all(&port.to_le_bytes()).unwrap();
        client.write_all(&NUMBER.to_le_bytes()).unwrap();
    }

    fn accepted(client: &mut UnixStream) {
        let mut answer = [9];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0]);
    }

    #[test]
    fn each_direction_ends_on_its_own() {
        let (mut client, listener, serving, ended) = start();
        accepted(&mut client);
        let (mut pod, _) = listener.accept().unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        pod.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "question");
        pod.write_all(b"answer").unwrap();
        drop(pod);
        heard.clear();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "answer");
        serving.join().unwrap();
        assert_eq!(ended.iter().collect::<Vec<_>>(), ["70000 \n"]);
    }

    #[test]
    fn what_the_pod_breaks_off_is_told() {
        for writes in [false, true] {
            let (mut client, listener, serving, ended) = start();
            accepted(&mut client);
            let (mut pod, _) = listener.accept().unwrap();
            pod.write_all(b"some").unwrap();
            let mut heard = [0; 4];
            client.read_exact(&mut heard).unwrap();
            client.write_all(b"unread").unwrap();
            // Closing on what was not read is what resets a connection (RFC 2525, section 2.17).
            sys::poll(&mut [crate::relay::entry(&pod, libc::POLLIN)], None).unwrap();
            drop(pod);
            assert_eq!(ended.recv().unwrap(), "70000 connection reset by peer\n");
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty());
            if writes {
                let _ = client.write_all(b"too late");
            }
            drop(client);
            serving.join().unwrap();
            assert!(ended.recv().is_err());
        }
    }

    #[test]
    fn a_client_that_goes_takes_its_connection_along() {
        let (mut client, listener, serving, ended) = start();
        accepted(&mut client);
        let (mut pod, _) = listener.accept().unwrap();
        drop(client);
        assert_eq!(pod.read(&mut [0; 8]).unwrap(), 0);
        // Though the pod has not ended its side.
        serving.join().unwrap();
        assert_eq!(ended.recv().unwrap(), "70000 \n");
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_said_so() {
        let (mut client, ours) = UnixStream::pair().unwrap();
        let port = {
            let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            gone.local_addr().unwrap().port()
        };
        ask(&mut client, port);
        let (ends, ended) = sync_channel(1);
        let _ = serve(&ours, ends);
        drop(ours);
        assert!(ended.recv().is_err());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8(answer[3..].to_vec()).unwrap();
        assert_eq!(
            (answer[0], u16::from_le_bytes([answer[1], answer[2]]) as usize),
            (1, text.len())
        );
        assert!(
            text.starts_with(&format!(
                "failed to connect to localhost:{port} inside the pod, IPv4: Connection refused"
            )),
            "{text}"
        );
    }
}
