//! Extended attributes, which the wrappers in use have no name for. All unsafe code of this crate is here.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io::{Error, Result};
use std::os::fd::{AsFd, AsRawFd};

pub fn set_xattr(file: &impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: the name is a C string, the value a slice with its length; both outlive the call.
    let result = unsafe {
        libc::fsetxattr(
            file.as_fd().as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}
