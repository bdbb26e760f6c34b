//! Options as mount(8) takes them.

use nix::mount::MsFlags;

/// What mount(2) wants to be told.
#[derive(Debug, Default, PartialEq)]
pub struct MountOptions {
    pub flags: MsFlagsOrNone,
    /// How mounts travel to and from other namespaces; set by calls of their own.
    pub propagation: Vec<MsFlags>,
    /// What the file system itself understands.
    pub data: Vec<String>,
}

/// `MsFlags` has no default of its own.
#[derive(Debug, PartialEq, Clone, Copy)]
pub struct MsFlagsOrNone(pub MsFlags);

impl Default for MsFlagsOrNone {
    fn default() -> Self {
        MsFlagsOrNone(MsFlags::empty())
    }
}

/// Name, flag, and whether the name sets or clears it.
const FLAGS: [(&str, MsFlags, bool); 22] = [
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("atime", MsFlags::MS_NOATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("norelatime", MsFlags::MS_RELATIME, false),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("lazytime", MsFlags::MS_LAZYTIME, true),
    ("remount", MsFlags::MS_REMOUNT, true),
    ("bind", MsFlags::MS_BIND, true),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), true),
];

const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

/// Each of `options` may hold several, with commas between them.
pub fn parse(kind: &str, options: &[String]) -> MountOptions {
    let mut parsed = MountOptions::default();
    let kind = [kind].into_iter().filter(|kind| matches!(*kind, "bind" | "rbind"));
    for word in kind.chain(options.iter().flat_map(|option| split_words(option))) {
        let flag = FLAGS.iter().find(|(name, ..)| *name == word);
        let propagation = PROPAGATION.iter().find(|(name, _)| *name == word);
        match (flag, propagation) {
            (Some((_, flag, set)), _) => parsed.flags.0.set(*flag, *set),
            (_, Some((_, flag))) => parsed.propagation.push(*flag),
            _ if word.is_empty() || word == "defaults" => {}
            _ => parsed.data.push(word.to_owned()),
        }
    }
    parsed
}

/// A comma after a backslash belongs to the word.
fn split_words(option: &str) -> Vec<&str> {
    let (mut words, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in option.bytes().enumerate() {
        if byte == b',' && !escaped {
            words.push(&option[start..at]);
            start = at + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    words.push(&option[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(kind: &str, options: &[&str]) -> MountOptions {
        parse(
            kind,
            &options.iter().map(|option| option.to_string()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn flags_are_told_from_data() {
        let parsed = parse_all("tmpfs", &["ro,nosuid", "size=1m", "defaults", "mode=0755,rw"]);
        assert_eq!(parsed.flags.0, MsFlags::MS_NOSUID);
        assert_eq!(parsed.data, ["size=1m", "mode=0755"]);
    }

    #[test]
    fn a_bind_may_be_a_type_or_an_option() {
        assert_eq!(parse_all("bind", &[]).flags, parse_all("", &["bind"]).flags);
        let parsed = parse_all("none", &["rbind", "ro", "rslave"]);
        assert_eq!(parsed.flags.0, MsFlags::MS_BIND | MsFlags::MS_REC | MsFlags::MS_RDONLY);
        assert_eq!(parsed.propagation, [MsFlags::MS_SLAVE | MsFlags::MS_REC]);
    }

    #[test]
    fn escaped_commas_stay() {
        assert_eq!(
            parse_all("overlay", &["lowerdir=/a\\,b:/c,ro"]).data,
            ["lowerdir=/a\\,b:/c"]
        );
    }
}
