//! A cable between two network namespaces that can be slow and lossy, for tests where the kernel has no netem: two
//! interfaces (TAP) and what carries their frames to each other.
//!
//!     k3ts-test-relay TUN SEED /run/netns/A INTERFACE /run/netns/B INTERFACE
//!
//! TUN is the device node (major 10, minor 200). Says `ready` when both interfaces are there. Each line of standard
//! input is how the cable is from now on: `DELAY_MS JITTER_MS LOSS_PER_MILLE`. Ends, and takes the interfaces along,
//! with its standard input.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use std::{env, thread};

use nix::sched::{CloneFlags, setns};

/// Of an Ethernet frame, with room for tags.
const FRAME_MAX: usize = 2048;
/// Frames on their way in one direction; what comes on top is lost, as in a switch.
const FRAMES_MAX: usize = 4096;

/// What the cable is like; both directions read it for each frame.
#[derive(Default)]
struct Quality {
    delay_ms: AtomicU32,
    jitter_ms: AtomicU32,
    loss_per_mille: AtomicU32,
}

struct Frame {
    due: Instant,
    bytes: Vec<u8>,
}

/// Numbers that a seed repeats: xorshift64.
struct Random(u64);

impl Random {
    /// From 0 up to, and not including, the limit.
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(limit.max(1))) as u32
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [tun, seed, network_a, name_a, network_b, name_b] = words.as_slice() else {
        return Err("six words are needed: TUN SEED NETNS INTERFACE NETNS INTERFACE".into());
    };
    let seed: u64 = seed.parse()?;
    let a = Arc::new(interface_in(tun, network_a, name_a)?);
    let b = Arc::new(interface_in(tun, network_b, name_b)?);
    let quality = Arc::new(Quality::default());
    for (number, (from, to)) in [(&a, &b), (&b, &a)].into_iter().enumerate() {
        let (sender, receiver) = sync_channel(FRAMES_MAX);
        // Zero would stay zero for ever.
        let random = Random(seed.wrapping_mul(2) + number as u64 + 1);
        let (from, to, quality) = (from.clone(), to.clone(), quality.clone());
        thread::spawn(move || take(&from, &sender, &quality, random));
        thread::spawn(move || give(&to, &receiver));
    }
    println!("ready");
    for line in io::stdin().lock().lines() {
        set(&quality, &line?)?;
    }
    Ok(())
}

fn set(quality: &Quality, line: &str) -> Result<(), Box<dyn Error>> {
    let numbers: Vec<u32> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [delay, jitter, loss] = numbers.as_slice() else {
        return Err(format!("three numbers are needed: {line}").into());
    };
    quality.delay_ms.store(*delay, Ordering::Relaxed);
    quality.jitter_ms.store(*jitter, Ordering::Relaxed);
    quality.loss_per_mille.store(*loss, Ordering::Relaxed);
    Ok(())
}

/// An interface belongs to the namespace in which its device was opened: a thread goes there to open it.
fn interface_in(tun: &str, network: &str, name: &str) -> io::Result<File> {
    let namespace = File::open(network)?;
    let (tun, name) = (tun.to_owned(), name.to_owned());
    thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        interface(&tun, &name)
    })
    .join()
    .map_err(|_| io::Error::other("the thread of an interface has panicked"))?
}

fn interface(tun: &str, name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(tun)?;
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::other(format!(
            "the name of an interface is too long: {name}"
        )));
    }
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short,
        },
    };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    // SAFETY: the descriptor is open, and the kernel reads and writes no more than the request, which lives on.
    #[allow(unsafe_code)]
    let code = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) };
    if code < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(file)
    }
}

/// Reads frames until the interface is gone, and decides when each arrives, if it does. None overtakes another.
fn take(mut from: &File, sender: &SyncSender<Frame>, quality: &Quality, mut random: Random) {
    let mut buffer = [0; FRAME_MAX];
    let mut last = Instant::now();
    while let Ok(length) = from.read(&mut buffer) {
        if random.below(1000) < quality.loss_per_mille.load(Ordering::Relaxed) {
            continue;
        }
        let jitter = random.below(quality.jitter_ms.load(Ordering::Relaxed) + 1);
        let delay = quality.delay_ms.load(Ordering::Relaxed) + jitter;
        let due = last.max(Instant::now() + Duration::from_millis(delay.into()));
        last = due;
        // A full queue drops the frame: whoever sent it sends it again.
        let _ = sender.try_send(Frame {
            due,
            bytes: buffer[..length].to_vec(),
        });
    }
}

fn give(mut to: &File, receiver: &Receiver<Frame>) {
    for Frame { due, bytes } in receiver {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // An interface that is down takes nothing: the frame is lost.
        let _ = to.write(&bytes);
    }
}
