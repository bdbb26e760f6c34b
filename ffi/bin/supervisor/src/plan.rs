//! What must happen so that the sockets and processes that exist become those that are wanted. Pure.

use std::time::Duration;

use crate::config::{Config, Process, Socket};

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(10);
/// A process that has lived this long has recovered from whatever ended it before.
const LIFE_MIN: Duration = Duration::from_secs(30);

/// What differs. Processes are named in the order in which they are to be stopped and started.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub bind: Vec<Socket>,
    pub close: Vec<Socket>,
    pub stop: Vec<String>,
    pub start: Vec<String>,
    /// These are started anew before the one that runs is stopped.
    pub replace: Vec<String>,
}

/// A process goes on if it and the sockets that it is handed are still described in the same words.
pub fn plan(current: &Config, desired: &Config) -> Plan {
    let kept = |process: &Process, from: &Config, to: &Config| {
        to.processes
            .iter()
            .any(|other| other == process && to.sockets_of(other).eq(from.sockets_of(process)))
    };
    let missing = |from: &Config, to: &Config| {
        from.sockets
            .iter()
            .filter(|socket| !to.sockets.contains(socket))
            .cloned()
            .collect()
    };
    let changed = |from: &Config, to: &Config| -> Vec<String> {
        from.processes
            .iter()
            .filter(|process| !kept(process, from, to))
            .map(|process| process.name.clone())
            .collect()
    };
    let before = changed(current, desired);
    let replaceable = |name: &String| {
        let says_ready = |process: &Process| process.name == *name && process.says_ready;
        before.contains(name) && desired.processes.iter().any(says_ready)
    };
    let (replace, start) = changed(desired, current).into_iter().partition(replaceable);
    Plan {
        bind: missing(desired, current),
        close: missing(current, desired),
        stop: before.iter().filter(|name| !replaceable(name)).rev().cloned().collect(),
        start,
        replace,
    }
}

impl Plan {
    /// Without overlap: for when the sockets of the new processes are free only once the old ones have ended.
    pub fn one_by_one(mut self, current: &Config, desired: &Config) -> Self {
        let in_order = |config: &Config, names: &[String], more: &[String]| -> Vec<String> {
            let wanted = |name: &String| names.contains(name) || more.contains(name);
            let all = config.processes.iter().map(|process| process.name.clone());
            all.filter(wanted).collect()
        };
        self.stop = in_order(current, &self.stop, &self.replace);
        self.stop.reverse();
        self.start = in_order(desired, &self.start, &self.replace);
        self.replace.clear();
        self
    }
}

/// How long to wait before a process that has ended is started again.
pub fn restart_delay(previous: Option<Duration>, lived: Duration) -> Duration {
    match previous {
        Some(previous) if lived < LIFE_MIN => (previous * 2).min(DELAY_MAX),
        _ => DELAY_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Protocol;

    fn socket(name: &str, port: u16) -> Socket {
        Socket {
            name: name.to_owned(),
            protocol: Protocol::Tcp,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    fn process(name: &str, sockets: &[&str]) -> Process {
        Process {
            name: name.to_owned(),
            command: vec![format!("/bin/{name}")],
            sockets: sockets.iter().map(|name| (*name).to_owned()).collect(),
            ..Process::default()
        }
    }

    fn config(sockets: &[Socket], processes: &[Process]) -> Config {
        Config {
            sockets: sockets.to_vec(),
            processes: processes.to_vec(),
        }
    }

    #[test]
    fn what_has_not_changed_goes_on() {
        let both = config(&[socket("api", 1)], &[process("a", &["api"]), process("b", &[])]);
        assert_eq!(plan(&both, &both), Plan::default());
        let more = config(
            &both.sockets,
            &[process("a", &["api"]), process("b", &[]), process("c", &[])],
        );
        assert_eq!(
            plan(&both, &more),
            Plan {
                start: vec!["c".to_owned()],
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_changed_socket_restarts_only_those_that_hold_it() {
        let before = config(&[socket("api", 1)], &[process("a", &["api"]), process("b", &[])]);
        let after = config(&[socket("api", 2)], &before.processes);
        let expected = Plan {
            bind: vec![socket("api", 2)],
            close: vec![socket("api", 1)],
            stop: vec!["a".to_owned()],
            start: vec!["a".to_owned()],
            ..Plan::default()
        };
        assert_eq!(plan(&before, &after), expected);
    }

    #[test]
    fn what_says_when_it_is_ready_is_replaced_and_not_stopped() {
        let ready = |name: &str, command: &str| Process {
            command: vec![command.to_owned()],
            says_ready: true,
            ..process(name, &[])
        };
        let before = config(&[], &[process("a", &[]), ready("b", "old"), process("c", &[])]);
        let after = config(&[], &[process("c", &[]), ready("b", "new"), ready("a", "new")]);
        let plan = plan(&before, &after);
        let expected = Plan {
            replace: vec!["b".to_owned(), "a".to_owned()],
            ..Plan::default()
        };
        assert_eq!(plan, expected);
        let expected = Plan {
            stop: vec!["b".to_owned(), "a".to_owned()],
            start: vec!["b".to_owned(), "a".to_owned()],
            ..Plan::default()
        };
        assert_eq!(plan.one_by_one(&before, &after), expected);
    }

    #[test]
    fn processes_stop_in_reverse_and_start_in_order() {
        let all = config(&[], &[process("a", &[]), process("b", &[]), process("c", &[])]);
        assert_eq!(plan(&all, &Config::default()).stop, ["c", "b", "a"]);
        assert_eq!(plan(&Config::default(), &all).start, ["a", "b", "c"]);
    }

    #[test]
    fn the_delay_doubles_to_ten_seconds_and_a_long_life_resets_it() {
        let short = Duration::from_secs(1);
        let mut delay = restart_delay(None, short);
        assert_eq!(delay, DELAY_MIN);
        for _ in 0..20 {
            delay = restart_delay(Some(delay), short);
        }
        assert_eq!(delay, DELAY_MAX);
        assert_eq!(restart_delay(Some(delay), LIFE_MIN), DELAY_MIN);
    }
}
