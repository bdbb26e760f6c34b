//! The log of a container in the format of the Container Runtime Interface: a line is
//! `RFC 3339 time, stdout or stderr, P or F, text`; P says that the line goes on in the next entry.

use k3ts_shim::time;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most bytes of one entry's text. Longer lines come in parts.
const ENTRY_BYTES_MAX: usize = 16 * 1024;

/// The lines of one stream, cut where the container cut them and not where reads happened to end.
pub struct Lines {
    stream: &'static str,
    unfinished: Vec<u8>,
}

impl Lines {
    pub fn new(stream: &'static str) -> Self {
        Lines {
            stream,
            unfinished: Vec::new(),
        }
    }

    /// Appends to `entries` what `data` completes.
    pub fn push(&mut self, mut data: &[u8], now: &str, entries: &mut Vec<u8>) {
        while !data.is_empty() {
            let room = ENTRY_BYTES_MAX - self.unfinished.len();
            let window = &data[..data.len().min(room)];
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.entry("F", &data[..end], now, entries);
                    data = &data[end + 1..];
                }
                None if window.len() == room => {
                    self.entry("P", window, now, entries);
                    data = &data[room..];
                }
                None => {
                    self.unfinished.extend_from_slice(window);
                    data = &[];
                }
            }
        }
    }

    /// What is left when the stream ends has no line end: it stays a part, so that none is added when it is shown.
    pub fn finish(&mut self, now: &str, entries: &mut Vec<u8>) {
        if !self.unfinished.is_empty() {
            self.entry("P", &[], now, entries);
        }
    }

    fn entry(&mut self, tag: &str, rest: &[u8], now: &str, entries: &mut Vec<u8>) {
        entries.extend_from_slice(now.as_bytes());
        entries.push(b' ');
        entries.extend_from_slice(self.stream.as_bytes());
        entries.push(b' ');
        entries.extend_from_slice(tag.as_bytes());
        entries.push(b' ');
        entries.append(&mut self.unfinished);
        entries.extend_from_slice(rest);
        entries.push(b'\n');
    }
}

/// The file. It is opened anew when somebody has moved it away, which is how it is rotated. A disk that is full costs
/// lines and never stops the container.
pub struct CriLog {
    path: PathBuf,
    file: File,
    stdout: Lines,
    stderr: Lines,
    entries: Vec<u8>,
}

impl CriLog {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(CriLog {
            path: path.to_owned(),
            file: append_to(path)?,
            stdout: Lines::new("stdout"),
            stderr: Lines::new("stderr"),
            entries: Vec::new(),
        })
    }

    pub fn push(&mut self, stderr: bool, data: &[u8]) {
        let lines = if stderr { &mut self.stderr } else { &mut self.stdout };
        lines.push(data, &time::now(), &mut self.entries);
        self.write();
    }

    pub fn finish(&mut self) {
        let now = time::now();
        self.stdout.finish(&now, &mut self.entries);
        self.stderr.finish(&now, &mut self.entries);
        self.write();
    }

    fn write(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        if self.was_moved()
            && let Ok(file) = append_to(&self.path)
        {
            self.file = file;
        }
        let _ = self.file.write_all(&self.entries);
        self.entries.clear();
    }

    fn was_moved(&self) -> bool {
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => (there.dev(), there.ino()) != (ours.dev(), ours.ino()),
            (Err(error), _) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries_of(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut entries) = (Lines::new("stdout"), Vec::new());
        for chunk in chunks {
            lines.push(chunk, "T", &mut entries);
        }
        lines.finish("T", &mut entries);
        String::from_utf8(entries).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_is_one_entry_however_it_was_read() {
        assert_eq!(
            entries_of(&[b"a", b"b\nc", b"\n\n"]),
            ["T stdout F ab", "T stdout F c", "T stdout F "]
        );
    }

    #[test]
    fn a_last_line_without_end_is_a_part() {
        assert_eq!(entries_of(&[b"a\nb"]), ["T stdout F a", "T stdout P b"]);
    }

    #[test]
    fn a_long_line_comes_in_parts_of_16_kib() {
        let line = vec![b'x'; 2 * ENTRY_BYTES_MAX + 1];
        let lengths = |entries: Vec<String>| -> Vec<(String, usize)> {
            entries
                .iter()
                .map(|entry| (entry[9..10].to_owned(), entry.len() - 11))
                .collect()
        };
        let expected = [
            ("P".to_owned(), ENTRY_BYTES_MAX),
            ("P".to_owned(), ENTRY_BYTES_MAX),
            ("F".to_owned(), 1),
        ];
        assert_eq!(lengths(entries_of(&[&line, b"\n"])), expected);
        let pieces: Vec<&[u8]> = line.chunks(1000).chain([b"\n".as_slice()]).collect();
        assert_eq!(lengths(entries_of(&pieces)), expected);
    }

    #[test]
    fn a_line_of_exactly_16_kib_is_a_part_and_its_end() {
        let line = vec![b'x'; ENTRY_BYTES_MAX];
        let entries = entries_of(&[&line, b"\n"]);
        assert_eq!((entries.len(), &entries[1][..]), (2, "T stdout F "));
    }

    #[test]
    fn a_log_that_was_renamed_is_opened_anew() {
        let directory = std::env::temp_dir().join(format!("k3ts-shim-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, old) = (directory.join("0.log"), directory.join("0.log.1"));
        let mut log = CriLog::open(&path).unwrap();
        log.push(false, b"one\n");
        std::fs::rename(&path, &old).unwrap();
        log.push(true, b"two\n");
        assert!(std::fs::read_to_string(&old).unwrap().ends_with("stdout F one\n"));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("stderr F two\n"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
