//! `schedules`, `idle_time_before_shutdown_minutes` and `power`, for the agent.

use super::desk::Desk;
use crate::manifest::at::At;
use crate::manifest::machine::MachineKind;
use crate::manifest::v1::{Manifest, PowerSchedule, Switch, Trigger, TriggerKind};
use crate::model::Span;
use crate::problem::Code;
use crate::recipe::{PowerPolicy, Want};
use crate::schedule::{Power, Recurrence, Rule, When};
use jiff::Timestamp;
use std::time::Duration;

/// Longest time by which a stop may be put off, and by which it may be announced: whoever wants more does not want the schedule.
const LONGEST: Duration = Duration::from_hours(24);

/// What the agent is told of stops; nothing where the manifest of a workstation says nothing of them.
pub fn power(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) -> Vec<Want> {
    let minutes = manifest.idle_time_before_shutdown_minutes.as_ref().map(|minutes| u64::from(minutes.value) * 60);
    let idle = minutes.or_else(|| manifest.idle_time_before_shutdown.as_ref().map(|span| span.value.as_duration().as_secs()));
    let said = [
        ("schedules", manifest.schedules.is_some()),
        ("idle_time_before_shutdown_minutes", idle.is_some()),
        ("power", manifest.power.is_some()),
    ];
    let said = said.into_iter().find(|(_, said)| *said).map(|(section, _)| section);
    let Some(section) = said.or((kind == MachineKind::ComputeInstance).then_some("schedules")) else { return Vec::new() };
    let schedules = manifest.schedules.as_ref().map(|schedules| schedules.value.compute_start_stop.as_slice()).unwrap_or_default();
    let mut power = Power { idle_seconds: idle, ..Power::default() };
    power.rules = schedules.iter().filter(|one| one.value.state != Some(Switch::Disabled)).filter_map(|one| rule(one, desk)).collect();
    settings(manifest, &mut power, desk);
    vec![Want::PowerPolicy(PowerPolicy { power, section })]
}

fn settings(manifest: &Manifest, power: &mut Power, desk: &mut Desk<'_>) {
    let Some(said) = &manifest.power else { return };
    let mut seconds = |span: &Option<At<Span>>, default: u64| match span {
        None => default,
        Some(span) => {
            if span.value.as_duration() > LONGEST {
                desk.say(Code::BadValue, &span.place, format!("{} is too long", span.value), "write a length of at most 24h");
            }
            span.value.as_duration().as_secs()
        }
    };
    power.notice_seconds = seconds(&said.notice, power.notice_seconds);
    power.longest_postponement_seconds = seconds(&said.longest_postponement, power.longest_postponement_seconds);
    power.ssh_sessions = said.ssh_sessions.unwrap_or(power.ssh_sessions);
    power.custom_applications = said.custom_applications.unwrap_or(power.custom_applications);
    power.stop = said.stop.unwrap_or(power.stop);
}

/// The rule that a schedule is; problems of its own were told before.
fn rule(schedule: &At<PowerSchedule>, desk: &mut Desk<'_>) -> Option<Rule> {
    let trigger = &schedule.value.trigger.value;
    let place = trigger.expression.as_ref().map_or(&trigger.kind.place, |expression| &expression.place);
    let when = match trigger.kind.value {
        TriggerKind::Cron => When::Cron(trigger.expression.as_ref()?.value.clone()),
        TriggerKind::Recurrence => When::Recurrence(recurrence(trigger)?),
    };
    let start = trigger.start_time.as_ref().and_then(|start| start.value.as_str().parse().ok());
    if let When::Recurrence(Recurrence { interval: 2.., .. }) = &when
        && start.is_none()
    {
        let message = "without `start_time` the interval is counted from Monday, 5 January 1970";
        desk.warn(Code::BadValue, &trigger.kind.place, message, "add `start_time:`, the first of the times that are meant");
    }
    let rule = Rule { action: schedule.value.action, when, zone: trigger.time_zone.clone().unwrap_or_default(), start };
    if rule.next(Timestamp::UNIX_EPOCH).is_some() {
        return Some(rule);
    }
    let (why, help) = match rule.when {
        When::Cron(_) => ("there is no such day", "a day and its month must fit, such as `0 18 28 2 *`"),
        When::Recurrence(_) => (
            "`interval`, counted from `start_time`, never comes to a time of `schedule`",
            "leave `schedule` out, write `interval: 1`, or name times that it comes to",
        ),
    };
    desk.say(Code::BadValue, place, format!("{why}: this never happens"), help);
    None
}

/// The recurrence, unless its numbers are out of range, which was told.
fn recurrence(trigger: &Trigger) -> Option<Recurrence> {
    let said = trigger.schedule.as_ref().map(|schedule| &schedule.value);
    let numbers = |list: &[At<u32>]| list.iter().filter_map(|number| i8::try_from(number.value).ok()).collect();
    let month_days = said.and_then(|said| said.month_days.as_ref()).map(|days| days.value.as_slice()).unwrap_or_default();
    let out_of = |list: &[At<u32>], most: u32| list.iter().any(|number| number.value > most);
    if trigger.interval.as_ref().is_some_and(|interval| interval.value == 0)
        || said.is_some_and(|said| out_of(&said.hours, 23) || out_of(&said.minutes, 59) || out_of(month_days, 31))
    {
        return None;
    }
    Some(Recurrence {
        frequency: trigger.frequency.as_ref()?.value,
        interval: trigger.interval.as_ref().map_or(1, |interval| interval.value),
        hours: said.map(|said| numbers(&said.hours)).unwrap_or_default(),
        minutes: said.map(|said| numbers(&said.minutes)).unwrap_or_default(),
        week_days: said.and_then(|said| said.week_days.as_ref()).map(|days| days.value.clone()).unwrap_or_default(),
        month_days: numbers(month_days),
    })
}
