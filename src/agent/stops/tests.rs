//! Days of a machine, by clocks that are handed in. What clocks do to it: set ten years ahead and back, never set, changed for summer, a leap second,
//! stepped while something is due, stopped by sleep.

use super::super::idle::{Life, Seen, Sign};
use super::*;
use crate::schedule::{Cron, Rule, When, ZoneName};

/// A machine whose clocks go as they are told.
struct Day {
    stops: Stops,
    wall: i64,
    boot: u64,
    busy: Vec<Sign>,
    unknown: Vec<String>,
    acts: Vec<(u64, Act)>,
}

const HOUR: u64 = 3600;

fn rule(action: Action, expression: &str, zone: &str) -> Rule {
    let zone = ZoneName::try_from(zone.to_owned()).unwrap();
    Rule { action, when: When::Cron(Cron::try_from(expression.to_owned()).unwrap()), zone, start: None }
}

fn power(expression: &str) -> Power {
    Power { rules: vec![rule(Action::Stop, expression, "W. Europe Standard Time")], ..Power::default() }
}

fn idle_power(minutes: u64) -> Power {
    Power { idle_seconds: Some(minutes * 60), ..Power::default() }
}

impl Day {
    fn begun(at: &str, power: Power) -> Self {
        let wall = at.parse::<Timestamp>().unwrap().as_second();
        let mut stops = Stops::default();
        stops.set_power(power);
        Self { stops, wall, boot: 100, busy: vec![], unknown: vec![], acts: vec![] }
    }

    /// The clocks go on together, with a look every ten seconds.
    fn pass(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds / 10 {
            self.wall += 10;
            self.boot += 10;
            self.look();
        }
        self
    }

    fn look(&mut self) {
        let clocks = Clocks { wall: Timestamp::from_second(self.wall).unwrap(), boot: Duration::from_secs(self.boot) };
        if self.stops.wants_signs() {
            self.stops.saw(Seen { signs: self.busy.clone(), unknown: self.unknown.clone() }, clocks.boot);
        }
        let acts = self.stops.tick(clocks);
        self.acts.extend(acts.into_iter().map(|act| (self.boot, act)));
    }

    /// Somebody sets the clock on the wall.
    fn set(&mut self, seconds: i64) -> &mut Self {
        self.wall += seconds;
        self
    }

    /// It sleeps: both clocks go on, and nobody looks.
    fn sleep(&mut self, seconds: u64) -> &mut Self {
        self.wall += i64::try_from(seconds).unwrap();
        self.boot += seconds;
        self
    }

    fn stopped(&self) -> Vec<(u64, Cause)> {
        self.acts.iter().filter_map(|(at, act)| if let Act::Stop(cause) = act { Some((*at, *cause)) } else { None }).collect()
    }

    fn told(&self) -> Vec<&str> {
        self.acts.iter().filter_map(|(_, act)| if let Act::Tell(text) = act { Some(text.as_str()) } else { None }).collect()
    }
}

const TEN_YEARS: i64 = 10 * 365 * 86_400;
/// Ten minutes before six in the evening of a Friday in Berlin.
const FRIDAY: &str = "2026-03-27T16:50:00Z";
const AT_SIX: &str = "0 18 * * 1-5";

#[test]
fn people_are_told_and_then_it_stops_once() {
    let mut day = Day::begun("2026-03-27T16:30:00Z", power(AT_SIX));
    day.pass(2 * HOUR);
    assert_eq!(day.stopped(), [(100 + 1800, Cause::Schedule)]);
    assert_eq!(
        day.told(),
        ["This machine stops in 10m, as scheduled. Put the stop off: fitout schedule postpone 2h", "This machine stops now, as scheduled."]
    );
}

#[test]
fn a_clock_set_ten_years_ahead_stops_nothing() {
    let mut day = Day::begun("2026-03-27T12:00:00Z", power(AT_SIX));
    day.pass(HOUR).set(TEN_YEARS).pass(HOUR);
    assert_eq!(day.stopped(), []);
    assert!(day.acts.iter().any(|(_, act)| matches!(act, Act::Log(text) if text.starts_with("the clock was set"))));
}

#[test]
fn a_clock_set_ten_years_back_stops_nothing_by_itself_and_the_next_day_it_does() {
    let mut day = Day::begun("2036-03-28T12:00:00Z", power("0 18 * * *"));
    day.pass(60).set(-TEN_YEARS).pass(5 * HOUR);
    assert_eq!(day.stopped().len(), 1);
    assert!(day.stopped()[0].0 > 4 * HOUR);
}

#[test]
fn a_clock_that_was_never_set_stops_nothing_until_it_is() {
    let mut day = Day::begun("1970-01-01T00:00:00Z", power("* * * * *"));
    day.pass(HOUR);
    assert_eq!(day.acts, []);
    day.wall = FRIDAY.parse::<Timestamp>().unwrap().as_second();
    day.stops.set_power(power(AT_SIX));
    day.pass(700);
    assert_eq!(day.stopped(), [(100 + HOUR + 600, Cause::Schedule)]);
}

#[test]
fn the_day_without_an_hour_and_the_day_with_one_more_have_one_evening_each() {
    for (begun, after) in [("2026-03-28T23:00:00Z", 17 * HOUR), ("2026-10-24T22:00:00Z", 19 * HOUR)] {
        let mut day = Day::begun(begun, power("0 18 * * *"));
        day.pass(22 * HOUR);
        assert_eq!(day.stopped(), [(100 + after, Cause::Schedule)], "{begun}");
    }
}

#[test]
fn a_leap_second_is_no_jump() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(300).set(-1).pass(400);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn a_clock_stepped_back_over_a_stop_does_not_double_it() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(610).set(-60).pass(HOUR);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn a_clock_stepped_ahead_by_a_minute_loses_no_stop() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(570).set(60).pass(60);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn a_stop_that_it_slept_through_is_missed() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60).sleep(HOUR).pass(HOUR);
    assert_eq!(day.stopped(), []);
    assert!(day.acts.iter().any(|(_, act)| matches!(act, Act::Log(text) if text.contains("missed"))));
}

#[test]
fn sleep_is_no_idleness() {
    let mut day = Day::begun(FRIDAY, idle_power(30));
    day.pass(600).sleep(HOUR).pass(29 * 60);
    assert_eq!(day.stopped(), []);
    day.pass(120);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn the_clock_on_the_wall_has_no_say_in_idleness() {
    let mut day = Day::begun(FRIDAY, idle_power(30));
    day.pass(600).set(TEN_YEARS).pass(600).set(-2 * TEN_YEARS).pass(580);
    assert_eq!(day.stopped(), []);
    day.pass(60);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn a_postponement_is_measured_by_the_clock_that_nobody_sets() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60);
    assert!(matches!(day.stops.ask(Ask::Postpone(2 * HOUR)), Answer::Done(_)));
    day.pass(HOUR);
    day.set(100_000).pass(HOUR - 60);
    assert_eq!(day.stopped(), []);
    day.pass(120);
    assert_eq!(day.stopped(), [(160 + 2 * HOUR, Cause::Schedule)]);
}

#[test]
fn idleness_warns_halfway_at_the_latest_and_use_ends_it() {
    let mut day = Day::begun(FRIDAY, idle_power(15));
    day.pass(10 * 60);
    assert_eq!(day.told(), ["This machine stops in 8m, because nobody uses it. Use it, or put the stop off: fitout schedule postpone 2h"]);
    day.busy = vec![Sign { what: "notebook kernel".into(), life: Life::Now }];
    day.pass(HOUR);
    assert_eq!((day.stopped(), *day.told().last().unwrap()), (vec![], "This machine does not stop for now."));
    day.busy.clear();
    day.unknown = vec!["Jupyter does not answer".into()];
    day.pass(HOUR);
    assert_eq!(day.stopped(), []);
    assert_eq!(day.stops.line().unwrap().idle.unwrap().unknown, ["Jupyter does not answer"]);
    day.unknown.clear();
    day.pass(16 * 60);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn another_limit_starts_the_count_again() {
    let mut day = Day::begun(FRIDAY, idle_power(60));
    day.pass(40 * 60);
    day.stops.set_power(idle_power(30));
    day.pass(60);
    assert_eq!(day.stopped(), []);
    day.pass(30 * 60);
    assert_eq!(day.stopped().len(), 1);
}

#[test]
fn a_stop_is_put_off_so_far_and_no_farther() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60);
    assert_eq!(day.stops.ask(Ask::Cancel), Answer::Refused("no stop is put off".into()));
    assert_eq!(
        day.stops.ask(Ask::Postpone(9 * HOUR)),
        Answer::Refused("a stop is put off by 8h at most: until 2026-03-28 00:51 UTC".into())
    );
    assert_eq!(day.stops.ask(Ask::Postpone(2 * HOUR)), Answer::Done("no stop before 2026-03-27 18:51 UTC".into()));
    day.pass(HOUR);
    // Counted from six in the evening, when it came due.
    assert_eq!(
        day.stops.ask(Ask::Postpone(8 * HOUR)),
        Answer::Refused("a stop is put off by 8h at most: until 2026-03-28 01:00 UTC".into())
    );
    assert_eq!(day.stops.ask(Ask::Cancel), Answer::Done("the stop that was put off happens now".into()));
    day.pass(10);
    assert_eq!(day.stopped().len(), 1);
    assert_eq!(day.stops.ask(Ask::Postpone(60)), Answer::Refused("this machine is stopping already".into()));
}

#[test]
fn a_stop_that_was_put_off_until_the_next_start_is_over() {
    let mut both = power(AT_SIX);
    both.rules.push(rule(Action::Start, "0 19 * * *", "W. Europe Standard Time"));
    let mut day = Day::begun(FRIDAY, both);
    day.pass(60);
    day.stops.ask(Ask::Postpone(3 * HOUR));
    day.pass(5 * HOUR);
    assert_eq!(day.stopped(), []);
}

#[test]
fn a_stop_that_fails_is_an_alarm_and_tried_again() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(610);
    day.stops.stop_failed("IMDS does not answer".into());
    assert_eq!(day.stops.complaints(), ["this machine should have stopped and goes on costing money: IMDS does not answer"]);
    day.pass(590);
    assert_eq!(day.stopped().len(), 1);
    day.pass(30);
    assert_eq!(day.stopped().len(), 2);
    assert_eq!(day.stops.overdue(Duration::from_secs(day.boot + 660)).unwrap(), "the stop was begun 11m ago, and it still runs");
}

#[test]
fn a_postponement_longer_than_any_is_refused_like_every_other_that_is_too_long() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60);
    for seconds in [u64::MAX, u64::MAX - 100, 100 * 366 * 24 * HOUR] {
        let answer = day.stops.ask(Ask::Postpone(seconds));
        assert_eq!(answer, Answer::Refused("a stop is put off by 8h at most: until 2026-03-28 00:51 UTC".into()), "{seconds}");
    }
}

#[test]
fn a_stop_that_is_put_off_comes_although_something_else_of_the_manifest_changed() {
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60);
    day.stops.ask(Ask::Postpone(2 * HOUR));
    day.pass(HOUR);
    day.stops.set_power(Power { notice_seconds: 300, ..power(AT_SIX) });
    day.pass(2 * HOUR);
    assert_eq!(day.stopped(), [(160 + 2 * HOUR, Cause::Schedule)]);
    // The schedule itself is another matter.
    let mut day = Day::begun(FRIDAY, power(AT_SIX));
    day.pass(60);
    day.stops.ask(Ask::Postpone(2 * HOUR));
    day.pass(HOUR);
    day.stops.set_power(power("0 7 * * *"));
    day.pass(2 * HOUR);
    assert_eq!(day.stopped(), []);
}

#[test]
fn an_agent_that_is_restarted_holds_what_was_promised() {
    /// The agent ends, and another one comes a moment later; the manifest says this then.
    fn restart(day: &mut Day, says: Power) {
        day.stops = day.stops.owed().map(Stops::resumed).unwrap_or_default();
        day.stops.set_power(says);
        day.sleep(10);
    }
    let begin = || {
        let mut day = Day::begun(FRIDAY, power(AT_SIX));
        day.pass(60);
        assert_eq!(day.stops.owed(), None);
        day.stops.ask(Ask::Postpone(2 * HOUR));
        day
    };
    // Before it is due, and after.
    for passed in [60, HOUR] {
        let mut day = begin();
        day.pass(passed);
        restart(&mut day, power(AT_SIX));
        day.pass(3 * HOUR);
        assert_eq!(day.stopped(), [(160 + 2 * HOUR, Cause::Schedule)], "{passed}");
    }
    // A stop that was due, and was taken out of the manifest while no agent ran, is none.
    let mut day = begin();
    day.pass(HOUR);
    restart(&mut day, Power::default());
    day.pass(3 * HOUR);
    assert_eq!(day.stopped(), []);
}
