//! Azure's own fields: their rules across fields. The rules of single values are in their types.

use super::desk::Desk;
use crate::manifest::at::At;
use crate::manifest::machine::MachineKind;
use crate::manifest::v1::{Identity, IdentityKind, Manifest, NetworkSettings, PowerSchedule, Recurrence, Trigger, TriggerKind};
use crate::model::Span;
use crate::problem::{Code, Place};
use crate::schedule::Frequency;
use std::ops::RangeInclusive;

/// Most schedules of one compute instance (Azure ML, "Schedule automatic start and stop").
const MOST_SCHEDULES: usize = 4;

/// Shortest and longest time without use (Azure ML, "Enable idle shutdown"): 15 minutes and 3 days, in minutes.
const IDLE_MINUTES: RangeInclusive<u32> = 15..=4320;

/// Longest interval of each frequency (Azure Logic Apps, "Recurrence trigger"), whose triggers these are.
const LONGEST_INTERVAL: [(Frequency, u32); 5] =
    [(Frequency::Minute, 72_000), (Frequency::Hour, 12_000), (Frequency::Day, 500), (Frequency::Week, 71), (Frequency::Month, 16)];

/// Checks every field of Azure's that is more than a value of its own.
pub fn check(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) {
    on_behalf_of(manifest, kind, desk);
    root_access(manifest, desk);
    idle(manifest, desk);
    if let Some(network) = &manifest.network_settings {
        network_settings(network, desk);
    }
    if let Some(written) = &manifest.identity {
        identity(written, desk);
    }
    let schedules = manifest.schedules.as_ref().map(|schedules| schedules.value.compute_start_stop.as_slice()).unwrap_or_default();
    if let Some(fifth) = schedules.get(MOST_SCHEDULES) {
        let message = format!("a compute instance has at most {MOST_SCHEDULES} schedules; this is one more");
        desk.say(Code::BadValue, &fifth.place, message, "say several days in one: `0 18 * * 1-5`");
    }
    for schedule in schedules {
        trigger(&schedule.value, desk);
    }
}

/// Azure refuses a key of the creator's on a machine that is for somebody else.
fn on_behalf_of(manifest: &Manifest, kind: MachineKind, desk: &mut Desk<'_>) {
    let key = manifest.ssh_settings.as_ref().and_then(|settings| settings.ssh_key_value.as_ref());
    if let (Some(_), Some(key), MachineKind::ComputeInstance) = (&manifest.create_on_behalf_of, key, kind) {
        let help = "remove `ssh_key_value`, and give the owner's own key in `user.authorized_keys`";
        // Azure's own words (azure-docs#109642).
        let message = "Setting SSH key at creation time is not allowed when compute instance is provisioned on behalf of another user";
        desk.say(Code::Conflict, &key.place, message, help);
    }
}

fn root_access(manifest: &Manifest, desk: &mut Desk<'_>) {
    if let (Some(access), None) = (&manifest.enable_root_access, &desk.owner) {
        desk.say_no_owner(&access.place, "`enable_root_access` is about the owner");
    }
    let sudo = manifest.user.as_ref().and_then(|user| user.value.sudo);
    if let (Some(access), Some(sudo)) = (&manifest.enable_root_access, sudo)
        && access.value != sudo
    {
        let message = format!("`enable_root_access: {}` and `user.sudo: {sudo}` contradict each other", access.value);
        desk.say(Code::Conflict, &access.place, message, "keep one of the two");
    }
}

fn idle(manifest: &Manifest, desk: &mut Desk<'_>) {
    let refuse = |place: &Place, desk: &mut Desk<'_>| {
        desk.say(Code::BadValue, place, "a machine stops after 15 minutes to 3 days without use", "write minutes from 15 to 4320");
    };
    let (minutes, span) = (&manifest.idle_time_before_shutdown_minutes, &manifest.idle_time_before_shutdown);
    if let Some(minutes) = minutes.as_ref().filter(|minutes| !IDLE_MINUTES.contains(&minutes.value)) {
        refuse(&minutes.place, desk);
    }
    let Some(span) = span else { return };
    let (least, most) = (Span::minutes(u64::from(*IDLE_MINUTES.start())), Span::minutes(u64::from(*IDLE_MINUTES.end())));
    if !(least..=most).contains(&span.value) {
        refuse(&span.place, desk);
    }
    if minutes.is_some() {
        let help = "keep `idle_time_before_shutdown_minutes`, the newer one";
        desk.say(Code::Conflict, &span.place, "the idle time is given twice", help);
    }
}

fn network_settings(settings: &At<NetworkSettings>, desk: &mut Desk<'_>) {
    match (&settings.value.vnet_name, &settings.value.subnet) {
        (Some(network), None) => {
            desk.say_lack(settings, &network.place, "a virtual network needs a `subnet`", "add `subnet:`, the subnet's name");
        }
        (None, Some(subnet)) if !subnet.value.as_str().starts_with('/') => {
            let help = "add `vnet_name:`, or write the subnet's whole id";
            desk.say_lack(settings, &subnet.place, "a subnet's name says nothing without its network", help);
        }
        (Some(_) | None, _) => {}
    }
}

fn identity(identity: &At<Identity>, desk: &mut Desk<'_>) {
    let (kind, given) = (&identity.value.kind, &identity.value.user_assigned_identities);
    match (kind.value, given.first()) {
        (IdentityKind::UserAssigned | IdentityKind::SystemAssignedUserAssigned, None) => {
            let help = "add `user_assigned_identities: [{resource_id: …}]`";
            desk.say_lack(identity, &kind.place, "this type needs identities that people made, and none is given", help);
        }
        (IdentityKind::SystemAssigned | IdentityKind::None, Some(first)) => {
            let help = "remove them, or write `type: user_assigned`";
            desk.say(Code::Conflict, &first.place, "this `type` takes no identities that people made", help);
        }
        _ => {}
    }
    let ids = given.iter().map(|given| &given.value.resource_id).map(|id| (id.value.as_str().to_lowercase(), &id.place));
    desk.distinct("the identity", ids);
}

fn trigger(schedule: &PowerSchedule, desk: &mut Desk<'_>) {
    let (item, trigger) = (&schedule.trigger, &schedule.trigger.value);
    let cron = trigger.expression.as_ref().map(|expression| ("expression", &expression.place));
    let recurrence = [
        trigger.frequency.as_ref().map(|frequency| ("frequency", &frequency.place)),
        trigger.interval.as_ref().map(|interval| ("interval", &interval.place)),
        trigger.schedule.as_ref().map(|schedule| ("schedule", &schedule.place)),
    ];
    let (strange, of) = match trigger.kind.value {
        TriggerKind::Cron => (recurrence.into_iter().flatten().collect::<Vec<_>>(), "recurrence"),
        TriggerKind::Recurrence => (cron.into_iter().collect(), "cron"),
    };
    for (name, place) in strange {
        desk.say(
            Code::Conflict,
            place,
            format!("`{name}` belongs to triggers of `type: {of}`"),
            format!("remove it, or write `type: {of}`"),
        );
    }
    match trigger.kind.value {
        TriggerKind::Cron if trigger.expression.is_none() => {
            let help = "add `expression:`, such as \"0 18 * * 1-5\"";
            desk.say_lack(item, &trigger.kind.place, "a cron trigger needs an `expression`", help);
        }
        TriggerKind::Recurrence if trigger.frequency.is_none() => {
            let help = "add `frequency:`, one of minute, hour, day, week, month";
            desk.say_lack(item, &trigger.kind.place, "a recurrence trigger needs a `frequency`", help);
        }
        TriggerKind::Cron => {}
        TriggerKind::Recurrence => recurrence_of(trigger, desk),
    }
}

fn recurrence_of(trigger: &Trigger, desk: &mut Desk<'_>) {
    let Some(frequency) = &trigger.frequency else { return };
    let longest = LONGEST_INTERVAL.iter().find(|(unit, _)| *unit == frequency.value).map_or(1, |(_, longest)| *longest);
    if let Some(interval) = trigger.interval.as_ref().filter(|interval| !(1..=longest).contains(&interval.value)) {
        desk.say(
            Code::BadValue,
            &interval.place,
            format!("{} is out of range", interval.value),
            format!("write a number from 1 to {longest}"),
        );
    }
    if let Some(schedule) = &trigger.schedule {
        at_which(&schedule.value, frequency.value, desk);
    }
}

fn at_which(schedule: &Recurrence, frequency: Frequency, desk: &mut Desk<'_>) {
    let days = schedule.month_days.as_ref().map(|days| days.value.as_slice()).unwrap_or_default();
    for (name, numbers, range) in
        [("an hour", schedule.hours.as_slice(), 0..=23), ("a minute", &schedule.minutes, 0..=59), ("a day of a month", days, 1..=31)]
    {
        for number in numbers.iter().filter(|number| !range.contains(&number.value)) {
            let help = format!("write a number from {} to {}", range.start(), range.end());
            desk.say(Code::BadValue, &number.place, format!("{} is not {name}", number.value), help);
        }
    }
    let weeks = schedule.week_days.as_ref().filter(|_| frequency != Frequency::Week).map(|days| (&days.place, "week_days", "week"));
    let months = schedule.month_days.as_ref().filter(|_| frequency != Frequency::Month).map(|days| (&days.place, "month_days", "month"));
    for (place, name, word) in weeks.into_iter().chain(months) {
        let help = format!("remove it, or write `frequency: {word}`");
        desk.say(Code::Conflict, place, format!("`{name}` is for `frequency: {word}`"), help);
    }
}
