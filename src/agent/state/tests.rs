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

fn sample(free: u64) -> Vec<Result<Sample, String>> {
    vec![Ok(Sample { mount: TargetPath::root(), free: ByteSize(free), minimum_free: ByteSize(5_000_000_000) })]
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
        Event::Sampled(sample(1), Duration::ZERO),
        Event::Sampled(sample(9_000_000_000), hour),
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
    assert_eq!(effects[0], [Effect::Look, Effect::Sample]);
    assert!(matches!(effects[1][..], [Effect::Warn(_)]) && effects[2].is_empty());
}

#[test]
fn room_that_was_lacked_by_the_plan_alone_is_asked_for_again() {
    // No file system is low: what was planned would have made one so.
    let (mut state, _) =
        run([Event::Sampled(sample(8_000_000_000), Duration::ZERO), Event::SetUp(SetUp::NoRoom("4 GB are wanted".into()))]);
    assert_eq!(state.phase, Phase::Unusable);
    let tries = (0..7).filter(|_| {
        let (after, effects) = next(state.clone(), Event::Tick);
        state = after;
        effects.contains(&Effect::SetUp)
    });
    assert_eq!(tries.count(), 1);
}

#[test]
fn a_guard_that_cannot_be_checked_is_told_once_and_hides_no_other() {
    let broken = || Err("look at /data: Stale file handle".to_owned());
    let samples = |free| [vec![broken()], sample(free)].concat();
    let (state, effects) = run([1, 1].map(|free| Event::Sampled(samples(free), Duration::ZERO)));
    let both = ["/ has 1 B free; 5.0 GB must stay free", "a disk guard cannot be checked: look at /data: Stale file handle"];
    assert_eq!(state.complaints(), both);
    let warned = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Warn(_))).count();
    assert_eq!(effects.iter().map(|effects| warned(effects)).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn a_look_for_signs_of_use_that_hangs_holds_up_no_schedule() {
    let looked = |seconds: u64| {
        let wall = "2026-03-27T16:00:00Z".parse::<jiff::Timestamp>().unwrap() + Duration::from_secs(seconds);
        let clocks = Clocks { wall, boot: Duration::from_secs(seconds) };
        Event::Looked(Box::new(Look { clocks, power: Ok(Some(Power { idle_seconds: Some(900), ..Power::default() })) }))
    };
    let (mut state, mut looks, mut watches) = (State::default(), 0, 0);
    for tick in 0..100 {
        let (ticked, effects) = next(state, Event::Tick);
        looks += effects.iter().filter(|effect| **effect == Effect::Look).count();
        watches += effects.iter().filter(|effect| **effect == Effect::Watch).count();
        state = next(ticked, looked(tick * 10)).0;
    }
    assert_eq!((looks, watches), (100, 1));
    assert_eq!(state.phase, Phase::Creating);
    let idle = state.stops.line().unwrap().idle.unwrap();
    assert_eq!((idle.quiet_seconds, idle.unknown.len()), (None, 1));
    // What it brings in the end counts from then on.
    let (state, _) = next(state, Event::Saw(Seen::default(), Duration::from_secs(995)));
    assert_eq!(state.stops.line().unwrap().idle.unwrap().unknown, [""; 0]);
}

#[test]
fn what_is_put_off_is_kept_for_the_agent_that_comes_after() {
    let look = |seconds| {
        let clocks = Clocks { wall: "2026-03-27T16:00:00Z".parse().unwrap(), boot: Duration::from_secs(seconds) };
        Event::Looked(Box::new(Look { clocks, power: Ok(None) }))
    };
    let (state, effects) = run([look(10), Event::Asked(1, Ask::Postpone(600)), Event::Tick]);
    let kept: Vec<&Effect> = effects.iter().flatten().filter(|effect| matches!(effect, Effect::Owe(_))).collect();
    assert_eq!(kept, [&Effect::Owe(state.stops.owed())]);
    assert_eq!(State::after(state.stops.owed()).stops.owed(), state.stops.owed());
    let (_, effects) = next(state, Event::Asked(2, Ask::Cancel));
    assert!(effects.contains(&Effect::Owe(None)));
}
