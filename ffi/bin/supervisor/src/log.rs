//! What a program says on standard error, a line an event, in logfmt: `time=… level=info msg="…" name=value`.

use std::fmt::{Display, Write as _};
use std::io::Write;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names the least level that is said; "info" where it does not.
const VARIABLE: &str = "K3TS_LOG_LEVEL";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// More about an event: names and values.
pub type Fields<'a> = &'a [(&'a str, &'a dyn Display)];

pub fn debug(message: &str, fields: Fields) {
    say(Level::Debug, message, fields);
}

pub fn info(message: &str, fields: Fields) {
    say(Level::Info, message, fields);
}

pub fn warn(message: &str, fields: Fields) {
    say(Level::Warn, message, fields);
}

pub fn error(message: &str, fields: Fields) {
    say(Level::Error, message, fields);
}

/// Unlike `eprintln!` it goes on when nobody reads standard error any more: a supervisor must not die with the terminal
/// that it was started from.
fn say(level: Level, message: &str, fields: Fields) {
    if level >= least() {
        let line = line(SystemTime::now(), level, message, fields);
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

fn least() -> Level {
    static LEAST: OnceLock<Level> = OnceLock::new();
    *LEAST.get_or_init(|| {
        let wanted = std::env::var(VARIABLE).unwrap_or_default();
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        levels
            .into_iter()
            .find(|level| level.name() == wanted)
            .unwrap_or(Level::Info)
    })
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

fn line(now: SystemTime, level: Level, message: &str, fields: Fields) -> String {
    let mut line = format!("time={} level={} msg={}", iso(now), level.name(), quoted(message));
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}={}", quoted(&value.to_string()));
    }
    line.push('\n');
    line
}

/// As it is where that is one word, else as a JSON string, in which nothing ends the line.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_./:@-".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// RFC 3339 in UTC, with milliseconds.
fn iso(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// The date so many days after 1970-01-01. Counted in eras of 400 years, which are all alike, and in years that begin in
/// March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let said = line(
            UNIX_EPOCH,
            Level::Warn,
            "it \"ended\"\n",
            &[("name", &"gateway"), ("pid", &7)],
        );
        assert_eq!(
            said,
            "time=1970-01-01T00:00:00.000Z level=warn msg=\"it \\\"ended\\\"\\n\" name=gateway pid=7\n"
        );
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a\u{2028}b"), "\"a\\u2028b\"");
    }

    #[test]
    fn time_is_told_as_calendars_do() {
        for (seconds, text) in [
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
