//! Reading a tar: ustar with the extensions of GNU (long names, large numbers) and POSIX (pax). Nothing of it is
//! trusted: headers that announce more than [`HEADER_BYTES_MAX`] are refused before they are read.

use crate::pax::{self, Extended, invalid};
use std::io::{self, ErrorKind, Read, Result};

const BLOCK: usize = 512;
/// Of a long name or an extended header.
const HEADER_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

#[derive(Debug)]
pub struct Entry {
    /// As in the archive.
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// The twelve bits of permissions.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
    pub size: u64,
    /// Major and minor number.
    pub device: (u64, u64),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

pub struct Tar<R> {
    source: R,
    /// Bytes of the entry's content that were not read yet, and of the padding after it.
    content: u64,
    padding: u64,
}

impl<R: Read> Tar<R> {
    pub fn new(source: R) -> Self {
        Tar {
            source,
            content: 0,
            padding: 0,
        }
    }

    /// The next entry, whose content can be read from this reader afterwards. `None` at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let (mut extended, mut long_path, mut long_link) = (Extended::default(), None, None);
        loop {
            self.skip_content()?;
            let Some(header) = self.read_header()? else {
                return Ok(None);
            };
            let size = content_size(&header, &extended)?;
            self.content = size;
            self.padding = size.next_multiple_of(BLOCK as u64) - size;
            match header.0[156] {
                b'x' => extended = pax::parse(&self.read_small()?)?,
                b'g' => drop(self.read_small()?),
                b'L' => long_path = Some(until_nul(&self.read_small()?).to_vec()),
                b'K' => long_link = Some(until_nul(&self.read_small()?).to_vec()),
                _ => {
                    let mut entry = header.entry()?;
                    entry.size = size;
                    entry.path = extended.path.or(long_path).unwrap_or(entry.path);
                    entry.link = extended.link.or(long_link).unwrap_or(entry.link);
                    entry.uid = id(extended.uid.unwrap_or(u64::from(entry.uid)))?;
                    entry.gid = id(extended.gid.unwrap_or(u64::from(entry.gid)))?;
                    entry.mtime = extended.mtime.unwrap_or(entry.mtime);
                    entry.xattrs = extended.xattrs;
                    if entry.path.contains(&0) || entry.link.contains(&0) {
                        return Err(invalid("a name with a zero byte"));
                    }
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// What is left when the archive has ended, for its digest.
    pub fn into_source(self) -> R {
        self.source
    }

    fn skip_content(&mut self) -> Result<()> {
        let rest = self.content + self.padding;
        let skipped = io::copy(&mut self.source.by_ref().take(rest), &mut io::sink())?;
        (self.content, self.padding) = (0, 0);
        if skipped == rest {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    fn read_header(&mut self) -> Result<Option<Header>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header(block);
        if header.has_right_checksum()? {
            Ok(Some(header))
        } else {
            Err(invalid("a header with a wrong checksum"))
        }
    }

    fn read_small(&mut self) -> Result<Vec<u8>> {
        if self.content > HEADER_BYTES_MAX {
            return Err(invalid("an extended header of more than 1 MiB"));
        }
        let mut data = vec![0; self.content as usize];
        self.read_exact(&mut data)?;
        Ok(data)
    }
}

/// The content of the current entry.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let room = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        match self.source.read(&mut buffer[..room])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.content -= count as u64;
                Ok(count)
            }
        }
    }
}

struct Header([u8; BLOCK]);

impl Header {
    fn entry(&self) -> Result<Entry> {
        let mut path = until_nul(&self.0[..100]).to_vec();
        let prefix = until_nul(&self.0[345..500]);
        // GNU's old format keeps other things there.
        if &self.0[257..263] == b"ustar\0" && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        let kind = match self.0[156] {
            // Before there was a type for directories, a slash told.
            b'0' | 0 if path.ends_with(b"/") => Kind::Directory,
            b'0' | b'7' | 0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(invalid(&format!(
                    "an entry of the unknown type {:?}",
                    char::from(other)
                )));
            }
        };
        Ok(Entry {
            path,
            kind,
            link: until_nul(&self.0[157..257]).to_vec(),
            mode: (self.number(100..108)? & 0o7777) as u32,
            uid: id(self.number(108..116)? as u64)?,
            gid: id(self.number(116..124)? as u64)?,
            mtime: (self.number(136..148)?, 0),
            size: 0,
            device: (self.number(329..337)? as u64, self.number(337..345)? as u64),
            xattrs: Vec::new(),
        })
    }

    /// Octal digits, or two's complement in base 256 when the first bit is set.
    fn number(&self, field: std::ops::Range<usize>) -> Result<i64> {
        let bytes = &self.0[field];
        if bytes[0] & 0x80 != 0 {
            let first = i128::from(if bytes[0] & 0x40 != 0 {
                bytes[0] as i8
            } else {
                (bytes[0] & 0x7f) as i8
            });
            let value = bytes[1..]
                .iter()
                .fold(first, |value, byte| (value << 8) | i128::from(*byte));
            return i64::try_from(value).map_err(|_| invalid("a number that is too large"));
        }
        let digits = until_nul(bytes).trim_ascii();
        digits.iter().try_fold(0i64, |value, digit| match digit {
            b'0'..=b'7' => Ok((value << 3) | i64::from(digit - b'0')),
            _ => Err(invalid("a number that is none")),
        })
    }

    /// The sum of all bytes, its own field taken as spaces. Some old programs summed signed bytes.
    fn has_right_checksum(&self) -> Result<bool> {
        let expected = self.number(148..156)?;
        let bytes = || {
            self.0
                .iter()
                .enumerate()
                .map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte })
        };
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
        Ok(expected == unsigned || expected == signed)
    }
}

fn content_size(header: &Header, extended: &Extended) -> Result<u64> {
    // Links, devices, directories and pipes have no content, whatever their size says.
    if matches!(header.0[156], b'1'..=b'6') {
        return Ok(0);
    }
    let size = match extended.size {
        Some(size) => size,
        None => u64::try_from(header.number(124..136)?).map_err(|_| invalid("a negative size"))?,
    };
    // Room for the padding.
    if size <= i64::MAX as u64 {
        Ok(size)
    } else {
        Err(invalid("a size that is too large"))
    }
}

fn id(value: u64) -> Result<u32> {
    // The largest stands for "leave as it is" when it is set.
    u32::try_from(value)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| invalid("an owner that is too large"))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
