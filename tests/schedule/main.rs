//! Schedules against another program's answers, and against changes of the clocks that people wrote down.

#![cfg(test)]

use fitout::schedule::{Action, Cron, Frequency, Recurrence, Rule, WeekDay, When, ZoneName, firings};
use jiff::{Timestamp, ToSpan};
use std::process::Command;

fn zone(name: &str) -> ZoneName {
    ZoneName::try_from(name.to_owned()).unwrap()
}

fn cron(expression: &str, zone_name: &str) -> Rule {
    let cron = Cron::try_from(expression.to_owned()).unwrap();
    Rule { action: Action::Stop, when: When::Cron(cron), zone: zone(zone_name), start: None }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn times(rules: &[Rule], after: &str, most: usize) -> Vec<String> {
    firings(rules, at(after), most).iter().map(|firing| firing.time.to_string()).collect()
}

/// Days of the month and of the week must both match, as in `NCronTab`: croniter was asked for that.
#[test]
fn twenty_thousand_firings_are_those_of_croniter() {
    let minute = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
    let mut seen = 0;
    for line in include_str!("croniter.txt").lines() {
        let [start, expression, deltas] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let rule = cron(expression, "UTC");
        let mut now: i64 = start.parse().unwrap();
        for delta in deltas.split(' ') {
            let before = minute(now);
            now += delta.parse::<i64>().unwrap();
            assert_eq!(rule.next(before), Some(minute(now)), "{expression} after {before}");
            seen += 1;
        }
    }
    assert_eq!(seen, 20_000);
}

/// Zone; expression; an instant; what follows it. Written by hand from the zones' own changes.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    // Berlin: 2026-03-29 02:00 CET becomes 03:00 CEST; 2026-10-25 03:00 CEST becomes 02:00 CET.
    ("W. Europe Standard Time", "0 18 * * *", "2026-03-28T00:00:00Z", &["2026-03-28T17:00:00Z", "2026-03-29T16:00:00Z"]),
    (
        "W. Europe Standard Time",
        "30 2 * * *",
        "2026-03-28T00:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"],
    ),
    (
        "W. Europe Standard Time",
        "0,30 2,3 29 3 *",
        "2026-03-28T12:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2027-03-29T00:00:00Z"],
    ),
    ("W. Europe Standard Time", "30 2 * * *", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ("W. Europe Standard Time", "0 18 * * 1-5", "2026-10-23T00:00:00Z", &["2026-10-23T16:00:00Z", "2026-10-26T17:00:00Z"]),
    // Los Angeles: 2026-03-08 02:00 PST becomes 03:00 PDT; 2026-11-01 02:00 PDT becomes 01:00 PST.
    ("Pacific Standard Time", "0 2 8 3 *", "2026-03-01T00:00:00Z", &["2026-03-08T10:00:00Z", "2027-03-08T10:00:00Z"]),
    ("Pacific Standard Time", "30 1 * * *", "2026-10-31T12:00:00Z", &["2026-11-01T08:30:00Z", "2026-11-02T09:30:00Z"]),
    ("America/Los_Angeles", "0 20 * * 0", "2026-03-02T12:00:00Z", &["2026-03-09T03:00:00Z", "2026-03-16T03:00:00Z"]),
    // Lord Howe changes by half an hour: 2026-10-04 02:00 becomes 02:30; 2026-04-05 02:00 becomes 01:30.
    ("Lord Howe Standard Time", "15 2 * * *", "2026-10-02T20:00:00Z", &["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]),
    ("Lord Howe Standard Time", "45 1 * * *", "2026-04-03T20:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
    // Sao Paulo had midnight skipped until 2018, and has no daylight saving time since 2019.
    ("E. South America Standard Time", "0 0 * * *", "2018-11-03T12:00:00Z", &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
    ("E. South America Standard Time", "0 18 * * *", "2026-11-01T00:00:00Z", &["2026-11-01T21:00:00Z", "2026-11-02T21:00:00Z"]),
];

#[test]
fn a_change_of_the_clocks_loses_no_firing_and_doubles_none() {
    for (zone, expression, after, expected) in CHANGES {
        assert_eq!(times(&[cron(expression, zone)], after, expected.len()), *expected, "{expression} in {zone} after {after}");
    }
}

fn every(frequency: Frequency, interval: u32) -> Recurrence {
    Recurrence { frequency, interval, hours: vec![], minutes: vec![], week_days: vec![], month_days: vec![] }
}

fn rule(recurrence: Recurrence, zone_name: &str, start: Option<&str>) -> Rule {
    let start = start.map(|start| start.parse().unwrap());
    Rule { action: Action::Stop, when: When::Recurrence(recurrence), zone: zone(zone_name), start }
}

#[test]
fn recurrences_are_counted_from_their_start() {
    let berlin = "W. Europe Standard Time";
    let fortnight =
        Recurrence { hours: vec![18], minutes: vec![0], week_days: vec![WeekDay::Friday, WeekDay::Monday], ..every(Frequency::Week, 2) };
    let start = Some("2026-03-16T00:00:00");
    assert_eq!(
        times(&[rule(fortnight, berlin, start)], "2026-03-01T00:00:00Z", 4),
        ["2026-03-16T17:00:00Z", "2026-03-20T17:00:00Z", "2026-03-30T16:00:00Z", "2026-04-03T16:00:00Z"]
    );
    let month = Recurrence { hours: vec![0], minutes: vec![30, 0], month_days: vec![31], ..every(Frequency::Month, 1) };
    assert_eq!(
        times(&[rule(month, "UTC", None)], "2026-01-31T00:00:00Z", 3),
        ["2026-01-31T00:30:00Z", "2026-03-31T00:00:00Z", "2026-03-31T00:30:00Z"]
    );
    // As they pass: the night of the change has an hour less on the clock.
    let hours = every(Frequency::Hour, 6);
    assert_eq!(
        times(&[rule(hours, berlin, Some("2026-03-28T12:00:00"))], "2026-03-28T00:00:00Z", 4),
        ["2026-03-28T11:00:00Z", "2026-03-28T17:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z"]
    );
    let listed = Recurrence { hours: vec![9, 10], minutes: vec![15, 45], ..every(Frequency::Hour, 1) };
    assert_eq!(
        times(&[rule(listed, "UTC", None)], "2026-03-28T09:15:00Z", 4),
        ["2026-03-28T09:45:00Z", "2026-03-28T10:15:00Z", "2026-03-28T10:45:00Z", "2026-03-29T09:15:00Z"]
    );
    let minutes = every(Frequency::Minute, 90);
    assert_eq!(
        times(&[rule(minutes, "UTC", Some("2026-01-01T00:00:00"))], "2025-01-01T00:00:00Z", 3),
        ["2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z", "2026-01-01T03:00:00Z"]
    );
    let days = every(Frequency::Day, 3);
    assert_eq!(
        times(&[rule(days, "UTC", Some("2026-01-01T07:00:05"))], "2026-01-01T07:00:05Z", 2),
        ["2026-01-04T07:00:05Z", "2026-01-07T07:00:05Z"]
    );
}

/// When systemd fires next, after an instant.
fn by_systemd(calendar: &str, after: Timestamp) -> String {
    let base = format!("--base-time={}", after.strftime("%Y-%m-%d %H:%M:%S UTC"));
    #[expect(clippy::disallowed_methods, reason = "asks another program")]
    let mut asked = Command::new("systemd-analyze");
    let asked = asked.env("TZ", "UTC").args(["calendar", &base, "--iterations=1", calendar]).output().unwrap();
    let said = String::from_utf8_lossy(&asked.stdout).into_owned() + &String::from_utf8_lossy(&asked.stderr);
    said.lines().find_map(|line| line.trim().strip_prefix("Next elapse: ")).unwrap_or(&said).to_owned()
}

/// What systemd cannot say, it asks at: a first day, a fortnight, hours and minutes as they pass. It misses no firing of any.
#[test]
fn systemd_asks_at_every_firing() {
    let berlin = "W. Europe Standard Time";
    let hours = Recurrence { minutes: vec![10, 50], hours: vec![8, 9, 20], ..every(Frequency::Hour, 3) };
    let fortnight = Recurrence { hours: vec![18], minutes: vec![0, 30], week_days: vec![WeekDay::Friday], ..every(Frequency::Week, 2) };
    let month = Recurrence { month_days: vec![30, 31], ..every(Frequency::Month, 3) };
    let first = Some("2026-01-02T03:04:05");
    let since = |rule: Rule| Rule { start: Some("2026-02-03T04:05:06".parse().unwrap()), ..rule };
    for (rule, expected) in [
        (cron("0 18 * * 1-5", berlin), "Mon,Tue,Wed,Thu,Fri *-*-* 18:00:00 Europe/Berlin"),
        (since(cron("0 18 * * 1-5", berlin)), "Mon,Tue,Wed,Thu,Fri *-*-* 18:00:00 Europe/Berlin"),
        (rule(fortnight, berlin, first), "Fri *-*-* 18:00,30:05 Europe/Berlin"),
        (rule(month, "UTC", first), "*-*-30,31 03:04:05 UTC"),
        (rule(every(Frequency::Day, 3), "Asia/Kolkata", first), "*-*-* 03:04:05 Asia/Kolkata"),
        (rule(hours, "Asia/Kolkata", first), "*-*-* 00,01,03,04,06,07,09,10,12,13,15,16,18,19,21,22:20,40:00 UTC"),
        (rule(every(Frequency::Hour, 12), "Lord Howe Standard Time", first), "*-*-* 04,16:04:05 UTC"),
        (rule(every(Frequency::Minute, 45), berlin, None), "*-*-* *:00,15,30,45:00 UTC"),
        (rule(every(Frequency::Minute, 90), "UTC", first), "*-*-* 00,01,03,04,06,07,09,10,12,13,15,16,18,19,21,22:04,34:05 UTC"),
        (rule(every(Frequency::Minute, 7), "UTC", None), "*-*-* *:*:00 UTC"),
    ] {
        let calendar = rule.calendar().unwrap();
        assert_eq!(calendar, expected);
        let mut now = at("2026-03-20T00:00:00Z");
        for _ in 0..5 {
            now = rule.next(now).unwrap();
            let fires = by_systemd(&calendar, now - 1.second());
            assert_eq!(fires, now.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string(), "{calendar}");
        }
    }
}

#[test]
fn both_kinds_of_days_must_match_and_what_never_happens_never_does() {
    let friday_the_13th = cron("0 18 13 * 5", "UTC");
    assert_eq!(
        times(&[friday_the_13th], "2026-01-01T00:00:00Z", 3),
        ["2026-02-13T18:00:00Z", "2026-03-13T18:00:00Z", "2026-11-13T18:00:00Z"]
    );
    assert_eq!(cron("0 18 30 2 *", "UTC").next(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(times(&[cron("0 0 29 2 1", "UTC")], "2072-03-01T00:00:00Z", 1), ["2112-02-29T00:00:00Z"]);
}

#[test]
fn firings_of_several_rules_come_in_order_and_stops_last() {
    let mut rules = [cron("0 18 * * *", "UTC"), cron("0 18 * * *", "UTC"), cron("0 6,18 * * *", "UTC")];
    rules[2].action = Action::Start;
    let all: Vec<String> =
        firings(&rules, at("2026-01-01T00:00:00Z"), 4).iter().map(|one| format!("{} {}", one.action, one.time)).collect();
    assert_eq!(
        all,
        ["start 2026-01-01T06:00:00Z", "start 2026-01-01T18:00:00Z", "stop 2026-01-01T18:00:00Z", "start 2026-01-02T06:00:00Z"]
    );
}
