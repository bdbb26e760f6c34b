//! Extended headers of a tar (POSIX pax): records of `LENGTH KEY=VALUE\n`.

use std::io::{Error, ErrorKind, Result};

/// What an extended header says about the entry after it.
#[derive(Default)]
pub struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub mtime: Option<(i64, i64)>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";
const SPARSE: &[u8] = b"GNU.sparse.";

pub fn parse(mut records: &[u8]) -> Result<Extended> {
    let mut extended = Extended::default();
    while !records.is_empty() {
        let (record, rest) = split_record(records).ok_or_else(|| invalid("an extended header that is none"))?;
        records = rest;
        let at = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or_else(|| invalid("a record without a key"))?;
        extended.set(&record[..at], &record[at + 1..])?;
    }
    Ok(extended)
}

impl Extended {
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            _ if key.starts_with(SPARSE) => return Err(invalid("a sparse file, which images must not have")),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// The length counts itself, the space and the line end.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
        return None;
    }
    Some((&records[space + 1..length - 1], &records[length..]))
}

fn number(value: &[u8]) -> Result<u64> {
    let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| invalid("a number that is none"))
}

/// Such as 1350244992.023960108, or before 1970 with a minus.
fn time(value: &[u8]) -> Result<(i64, i64)> {
    let parse = || {
        let text = std::str::from_utf8(value).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{:0<9}", &fraction[..fraction.len().min(9)]);
        let nanoseconds: i64 = digits.parse().ok()?;
        match whole.starts_with('-') && nanoseconds > 0 {
            true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
            false => Some((seconds, nanoseconds)),
        }
    };
    parse().ok_or_else(|| invalid("a time that is none"))
}

pub fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the archive has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_with_line_ends_and_equal_signs_in_values() {
        let extended = parse(b"12 path=a\nb\n23 SCHILY.xattr.u.a=b\n\n").unwrap();
        assert_eq!(extended.path.as_deref(), Some(b"a\nb".as_slice()));
        assert_eq!(extended.xattrs, [(b"u.a".to_vec(), b"b\n".to_vec())]);
    }

    #[test]
    fn refuses_lengths_that_lie() {
        for records in [
            b"5 a=b\n".as_slice(),
            b"99 path=a\n",
            b"0 a=b\n",
            b"2 a=b\n",
            b"x a=b\n",
            b"6 ab\n\n",
        ] {
            assert!(parse(records).is_err(), "{records:?}");
        }
    }

    #[test]
    fn reads_times_with_fractions_and_before_1970() {
        let cases = [
            ("1.5", (1, 500_000_000)),
            ("7", (7, 0)),
            ("-1.25", (-2, 750_000_000)),
            ("-3", (-3, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_sparse_files() {
        assert!(parse(b"22 GNU.sparse.major=1\n").is_err());
    }
}
