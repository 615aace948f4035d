//! Lives of a machine, as lists of events.

use super::*;
use crate::model::ByteSize;

fn id(text: &str) -> ResourceId {
    ResourceId::try_from(text.to_owned()).unwrap()
}

fn done(faults: &[(&str, &str)]) -> Event {
    let faults = faults.iter().map(|(what, why)| Fault { id: Some(id(what)), reason: (*why).to_owned() }).collect();
    Event::SetUp(SetUp::Done { name: Some("lab".into()), counts: Counts::default(), faults })
}

fn sample(free: u64) -> Vec<Sample> {
    vec![Sample { mount: TargetPath::root(), free: ByteSize(free), minimum_free: ByteSize(5_000_000_000) }]
}

fn run(events: impl IntoIterator<Item = Event>) -> (State, Vec<Vec<Effect>>) {
    events.into_iter().fold((State::default(), Vec::new()), |(state, mut all), event| {
        let (state, effects) = next(state, event);
        all.push(effects);
        (state, all)
    })
}

#[test]
fn a_first_boot_ends_running() {
    let told = Told { instance: Some("i-1".into()), warnings: vec!["odd".into()] };
    let working = |what| Event::Working(id(what));
    let events = [Event::Begun, Event::Told(Ok(told)), working("apt:packages"), working("script:creation"), done(&[])];
    let (state, effects) = run(events);
    insta::assert_debug_snapshot!(effects, @r#"
    [
        [
            ReadDatasource,
            Publish,
        ],
        [
            Warn(
                "datasource: odd",
            ),
            SetUp,
            Status(
                "SettingUp",
            ),
            Publish,
        ],
        [
            Status(
                "SettingUp: apt:packages",
            ),
        ],
        [
            Status(
                "UserSettingUp: script:creation",
            ),
            Publish,
        ],
        [
            Say(
                "fitout: lab is Running",
            ),
            Ready(
                "fitout: lab is Running",
            ),
            Publish,
        ],
    ]
    "#);
    assert_eq!((state.phase, state.instance.as_deref()), (Phase::Running, Some("i-1")));
}

#[test]
fn failures_are_named_for_whose_they_are() {
    for (faults, line) in [
        (
            &[(
                "script:startup",
                "exit 3
secret",
            )][..],
            "fitout: lab is UserSetupFailed: script:startup: exit 3",
        ),
        (
            &[
                ("script:startup", "exit 3"),
                (
                    "apt:x", "no
more",
                ),
            ],
            "fitout: lab is SetupFailed: apt:x: no (and 1 more)",
        ),
    ] {
        let (state, _) = run([Event::Begun, Event::Told(Ok(Told::default())), done(faults)]);
        assert_eq!(state.line(), line);
    }
}

#[test]
fn a_datasource_that_cannot_be_read_does_not_stop_the_machine() {
    let (_, effects) = run([Event::Begun, Event::Told(Err("broken".into()))]);
    assert!(effects[1].contains(&Effect::SetUp) && effects[1].contains(&Effect::Warn("datasource: broken".into())));
}

#[test]
fn sets_up_again_when_the_other_run_ended_or_the_disk_has_room() {
    let (state, effects) = run([Event::SetUp(SetUp::Busy("process 1".into())), Event::Tick]);
    assert!(effects[1].contains(&Effect::SetUp));
    assert_eq!(state.attempt, Attempt::Running);
    let hour = Duration::from_hours(1);
    let (state, effects) = run([
        Event::SetUp(SetUp::NoRoom("/ is full".into())),
        Event::Sampled(Ok(sample(1)), Duration::ZERO),
        Event::Sampled(Ok(sample(9_000_000_000)), hour),
    ]);
    assert!(!effects[1].contains(&Effect::SetUp) && effects[2].contains(&Effect::SetUp));
    assert_eq!(state.complaints(), Vec::<String>::new());
}

#[test]
fn a_failure_that_may_pass_is_tried_again_ever_more_rarely() {
    let mut pauses = Vec::new();
    let mut state = State::default();
    for _ in 0..8 {
        (state, _) = next(state, done(&[("apt:x", "no network")]));
        let mut ticks = 0;
        while state.attempt != Attempt::Running {
            (state, _) = next(state, Event::Tick);
            ticks += 1;
        }
        pauses.push(ticks - 1);
    }
    assert_eq!(pauses, [6, 12, 24, 48, 96, 192, 360, 360]);
    for end in [done(&[("apt:x", "no"), ("script:startup", "exit 3")]), done(&[]), Event::SetUp(SetUp::Refused("E0101".into()))] {
        assert_eq!(next(state.clone(), end).0.attempt, Attempt::None);
    }
}

#[test]
fn a_disk_that_hangs_is_asked_once_and_told_once() {
    let (_, effects) = run([Event::Tick, Event::Tick, Event::Tick]);
    assert_eq!(effects[0], [Effect::Look(Signs::Unwanted), Effect::Sample]);
    assert!(matches!(effects[1][..], [Effect::Warn(_)]) && effects[2].is_empty());
}
