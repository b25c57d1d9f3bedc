//! Times as commands print and read them: in the office's time zone.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use base::{Bilingual, bilingual};
use config::Settings;
use os::clock;
use release::hotline;

/// The office's time zone, from its calendar; UTC while the files of the hotline cannot be read.
pub(crate) fn zone(settings: &Settings) -> TimeZone {
    let release = hotline::release(settings).ok();
    release.and_then(|release| TimeZone::get(&release.calendar.zone).ok()).unwrap_or(TimeZone::UTC)
}

/// `2026-01-05 09:30:00 +08:00`
pub(crate) fn shown(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// `2026-01-05T09:30:00+08:00`, for JSON.
pub(crate) fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// `2 d 3 h`, `5 min 2 s`: the two largest units of a span.
pub(crate) fn span(seconds: u64) -> Bilingual {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let zh = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} 秒"),
        (0, 0, minutes) => format!("{minutes} 分 {} 秒", seconds % 60),
        (0, hours, minutes) => format!("{hours} 小时 {minutes} 分"),
        (days, hours, _) => format!("{days} 天 {hours} 小时"),
    };
    Bilingual::new(replica_store::span(seconds), zh)
}

fn zoned(at: Timestamp, zone: &TimeZone) -> ZonedDateTime {
    at.to_zoned_datetime(zone.clone())
}

/// Reads RFC 3339, a date, a date with a time, or a time of today; without an offset it is a local time.
///
/// # Errors
/// How it may be written.
pub(crate) fn read(word: &str, zone: &TimeZone) -> Result<Timestamp, Bilingual> {
    if let Ok(at) = word.parse() {
        return Ok(at);
    }
    let today = || word.parse::<Time>().map(|time| clock::local(zone).date().to_datetime(time));
    let local: Option<DateTime> = word.parse().or_else(|_| today()).ok();
    let at = local.and_then(|local| local.to_zoned_datetime(zone.clone()).ok());
    at.map(|at| at.timestamp()).ok_or_else(|| {
        bilingual!(
            "{word} is not a time: write 2026-01-05, \"2026-01-05 09:30\", 09:30 or RFC 3339 [time.form]",
            "{word} 不是时间：请写 2026-01-05、\"2026-01-05 09:30\"、09:30 或 RFC 3339 [time.form]"
        )
    })
}

/// Reads a time from which something is listed: a time of day that is still to come is yesterday's.
///
/// # Errors
/// How it may be written.
pub(crate) fn read_past(word: &str, zone: &TimeZone) -> Result<Timestamp, Bilingual> {
    let at = read(word, zone)?;
    let is_time_of_day = word.parse::<Time>().is_ok() && word.parse::<DateTime>().is_err();
    let yesterday = at.checked_sub(SignedDuration::from_hours(24)).unwrap_or(at);
    Ok(if is_time_of_day && at > clock::timestamp() { yesterday } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_an_offset_are_local() {
        let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
        let at = |word: &str| read(word, &zone).ok().map(|at| at.to_string());
        assert_eq!(at("2026-01-05T01:30:00Z").as_deref(), Some("2026-01-05T01:30:00Z"));
        assert_eq!(at("2026-01-05 09:30").as_deref(), Some("2026-01-05T01:30:00Z"));
        assert_eq!(at("2026-01-05").as_deref(), Some("2026-01-04T16:00:00Z"));
        assert!(read("09:30", &zone).is_ok() && read("yesterday", &zone).is_err());
        let at = "2026-01-05T01:30:00Z".parse().expect("a time");
        assert_eq!(shown(at, &zone), "2026-01-05 09:30:00 +08:00");
        assert_eq!(rfc3339(at, &zone), "2026-01-05T09:30:00+08:00");
    }

    #[test]
    fn a_list_begins_in_the_past_and_a_time_alone_within_the_last_day() {
        let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
        for hour in 0..24 {
            let before = clock::timestamp();
            let at = read_past(&format!("{hour:02}:00"), &zone).expect("a time");
            let day = SignedDuration::from_hours(24);
            assert!(at <= clock::timestamp() && before.duration_since(at) < day, "{hour}: {at}");
        }
        assert_eq!(read_past("2999-01-01", &zone), read("2999-01-01", &zone));
    }
}
