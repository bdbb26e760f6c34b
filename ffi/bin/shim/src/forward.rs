//! Connections into the network of a pod: `forward --socket PATH [--network NAMESPACE]`.
//!
//! Whoever connects to the socket sends a port (u16, little-endian). The answer is a byte: 0 when the pod has accepted
//! on its localhost, else 1 and a text with its length before it (u16, little-endian). From then on bytes go both ways,
//! each of which ends on its own. The process lives for as long as its standard input is open, and says `ok` or
//! `error TEXT` once on its standard output.

use crate::sys;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;
use std::sync::Arc;
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
            sys::finish_stdout("ok\n");
            thread::spawn(move || accept_all(&listener));
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

fn accept_all(listener: &UnixListener) {
    let held = Arc::new(());
    loop {
        let Ok((client, _)) = listener.accept() else { continue };
        // Whoever connects in vain sees the end at once.
        if Arc::strong_count(&held) * 2 > THREADS_MAX {
            continue;
        }
        let hold = held.clone();
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let _ = serve(&client);
            let _ = client.shutdown(Shutdown::Both);
            drop(hold);
        });
    }
}

fn serve(mut client: &UnixStream) -> io::Result<()> {
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let port = u16::from_le_bytes(port);
    let pod = match connect(port) {
        Ok(pod) => pod,
        Err(text) => {
            let length = (text.len() as u16).to_le_bytes();
            return client.write_all(&[&[1], &length[..], text.as_bytes()].concat());
        }
    };
    client.write_all(&[0])?;
    // What is typed is to arrive as it is typed.
    pod.set_nodelay(true)?;
    let (back, from_pod) = (client.try_clone()?, pod.try_clone()?);
    let answers = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let _ = copy(&from_pod, &back);
        let _ = back.shutdown(Shutdown::Write);
    })?;
    match copy(client, &pod) {
        Ok(()) => pod.shutdown(Shutdown::Write),
        // The pod hears no more. Whoever still sends is told; what the pod says is still passed on.
        Err(_) => client.shutdown(Shutdown::Read),
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

/// Until the reader's end. Errors are of whichever side; a wait that a signal ended is none.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A client that is being served, and a pod's port.
    fn start() -> (UnixStream, TcpListener, thread::JoinHandle<()>) {
        let pod = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (mut client, ours) = UnixStream::pair().unwrap();
        let port = pod.local_addr().unwrap().port();
        client.write_all(&port.to_le_bytes()).unwrap();
        let serving = thread::spawn(move || {
            let _ = serve(&ours);
        });
        (client, pod, serving)
    }

    fn accepted(client: &mut UnixStream) {
        let mut answer = [9];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0]);
    }

    #[test]
    fn each_direction_ends_on_its_own() {
        let (mut client, listener, serving) = start();
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
    }

    #[test]
    fn a_client_that_goes_takes_its_connection_along() {
        let (mut client, listener, serving) = start();
        accepted(&mut client);
        let (mut pod, _) = listener.accept().unwrap();
        drop(client);
        assert_eq!(pod.read(&mut [0; 8]).unwrap(), 0);
        // Though the pod has not ended its side.
        serving.join().unwrap();
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_said_so() {
        let (mut client, ours) = UnixStream::pair().unwrap();
        let port = {
            let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            gone.local_addr().unwrap().port()
        };
        client.write_all(&port.to_le_bytes()).unwrap();
        let _ = serve(&ours);
        drop(ours);
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
