//! Shifts the wall clock of the processes that it is loaded into (`LD_PRELOAD`), for tests. By how much says a file of
//! eight bytes, nanoseconds as a signed number in the machine's order, which `K3TS_TEST_CLOCK` names: whoever writes
//! there moves the clocks of all of them at once. What is measured from the start of the machine stays as it is.
//!
//! C's functions for the time stand here in place of those of the C library, which are found behind them.

use std::ffi::CStr;
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval};

type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

const SECOND: i64 = 1_000_000_000;

static NEXT: OnceLock<Option<ClockGettime>> = OnceLock::new();
static SHIFT: OnceLock<Option<&'static AtomicI64>> = OnceLock::new();

/// That of the C library.
#[allow(unsafe_code)]
fn next() -> Option<ClockGettime> {
    *NEXT.get_or_init(|| {
        // SAFETY: a constant name; what is found by it has this type (clock_gettime(3)).
        unsafe {
            let found = libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr());
            (!found.is_null()).then(|| transmute::<*mut c_void, ClockGettime>(found))
        }
    })
}

/// Nanoseconds; 0 where no file is named.
fn shift() -> i64 {
    SHIFT
        .get_or_init(mapped)
        .map_or(0, |shift| shift.load(Ordering::Relaxed))
}

/// The file, mapped for as long as the process lives.
#[allow(unsafe_code)]
fn mapped() -> Option<&'static AtomicI64> {
    // SAFETY: names end with a zero; the mapping is of a page of its own, is never unmapped, and is read in one piece.
    unsafe {
        let name = libc::getenv(c"K3TS_TEST_CLOCK".as_ptr());
        if name.is_null() || CStr::from_ptr(name).is_empty() {
            return None;
        }
        let file = libc::open(name, libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return None;
        }
        let page = libc::mmap(null_mut(), 8, libc::PROT_READ, libc::MAP_SHARED, file, 0);
        libc::close(file);
        (page != libc::MAP_FAILED).then(|| &*page.cast::<AtomicI64>())
    }
}

/// See clock_gettime(3).
///
/// # Safety
/// As there: `time` can be written to.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let Some(next) = next() else { return -1 };
    // SAFETY: what the caller vouches for.
    let code = unsafe { next(clock, time) };
    let is_wall = clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE;
    if code == 0 && is_wall && !time.is_null() {
        // SAFETY: it has just been written to.
        let time = unsafe { &mut *time };
        let shifted = time.tv_sec * SECOND + time.tv_nsec + shift();
        time.tv_sec = shifted.div_euclid(SECOND);
        time.tv_nsec = shifted.rem_euclid(SECOND);
    }
    code
}

/// See gettimeofday(2).
///
/// # Safety
/// As there: `time` can be written to, or is null.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut timeval, _zone: *mut c_void) -> c_int {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is here.
    let code = unsafe { clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    if code == 0 && !time.is_null() {
        // SAFETY: what the caller vouches for.
        unsafe {
            *time = timeval {
                tv_sec: now.tv_sec,
                tv_usec: now.tv_nsec / 1000,
            }
        };
    }
    code
}

/// See time(2).
///
/// # Safety
/// As there: `time` can be written to, or is null.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(time: *mut time_t) -> time_t {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is here.
    if unsafe { clock_gettime(libc::CLOCK_REALTIME, &mut now) } != 0 {
        return -1;
    }
    if !time.is_null() {
        // SAFETY: what the caller vouches for.
        unsafe { *time = now.tv_sec };
    }
    now.tv_sec
}
