//! `schedules`, `idle_time_before_shutdown_minutes` and `power`: one file that the agent reads, and a timer of systemd, which stops a machine whose
//! agent is not there to do it: it asks at every time that may be one of a schedule's, and more often where systemd cannot say the schedule.

use super::{Context, Item, Recipe};
use crate::model::{Meta, Mode, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Apt, File, HEADER, Policy, Spec, Switch, Unit};
use crate::schedule::{Action, POWER, Power, Rule};
use crate::step::{Content, PROGRAM};

/// The stops of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerPolicy {
    /// What the agent is told.
    pub power: Power,
    /// The section of the manifest that asks for it.
    pub section: &'static str,
}

/// The timer, its text, and that of what it starts.
const TIMER: &str = "fitout-stop.timer";
const TIMER_FILE: &str = "/etc/systemd/system/fitout-stop.timer";
const STOP_FILE: &str = "/etc/systemd/system/fitout-stop.service";

/// Names of all that this comes to: a machine whose manifest no longer says when it stops must not go on stopping.
pub const POWER_PARTS: [&str; 4] = [POWER, TIMER, TIMER_FILE, STOP_FILE];

impl PowerPolicy {
    /// The timer; `None` where systemd knows no time zone of any stop.
    fn timer(&self) -> Option<String> {
        let stops = self.power.rules.iter().filter(|rule| rule.action == Action::Stop);
        let lines: String = stops.filter_map(|rule| Some(format!("OnCalendar={}\n", rule.calendar()?))).collect();
        (!lines.is_empty()).then(|| {
            format!(
                "# {HEADER}\n[Unit]\nDescription=Fitout: scheduled stops of this machine\nDocumentation=man:fitout(1)\n\n[Timer]\n{lines}\
                 AccuracySec=1s\n# A stop that was missed, because the machine was off, is no stop that is due.\nPersistent=false\n\n\
                 [Install]\nWantedBy=timers.target\n"
            )
        })
    }

    fn service() -> String {
        format!(
            "# {HEADER}\n[Unit]\nDescription=Fitout: stop this machine as scheduled, unless its agent does\nDocumentation=man:fitout(1)\n\
             ConditionPathExists={PROGRAM}\n\n[Service]\nType=oneshot\nExecStart={PROGRAM} stop --scheduled\n"
        )
    }
}

impl Recipe for PowerPolicy {
    fn item(&self) -> Item {
        Item::section(self.section)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |error: crate::model::Invalid| vec![Problem::general(Code::BadValue, error.0)];
        let own = |at: &str, text: String| -> Result<File, Vec<Problem>> {
            let path = TargetPath::parse(at).map_err(fail)?;
            Ok(File { policy: Policy::Enforce, ..File::new(path, Content::Inline(text.into()), Meta::root(Mode::FILE)) })
        };
        let power = Power { owner: context.owner.map(ToString::to_string), ..self.power.clone() };
        let mut specs = vec![Spec::File(own(POWER, power.text())?)];
        let stops = self.power.rules.iter().filter(|rule| rule.action == Action::Stop);
        let mut calendars = stops.filter_map(Rule::calendar);
        if calendars.any(|calendar| !calendar.ends_with(" UTC")) {
            // systemd reads no calendar in a zone that is not there.
            specs.push(Spec::Apt(Apt::new("tzdata", vec!["tzdata".into()], Vec::new())));
        }
        if let Some(timer) = self.timer() {
            let files = [own(TIMER_FILE, timer)?, own(STOP_FILE, Self::service())?];
            let name = UnitName::parse(TIMER).map_err(fail)?;
            let files = files.map(|file| File { read_by: vec![name.clone()], ..file });
            let data = specs.iter().filter(|spec| matches!(spec, Spec::Apt(_))).map(Spec::id);
            let requires = files.iter().map(File::id).chain(data).collect();
            specs.extend(files.iter().cloned().map(Spec::File));
            specs.push(Spec::Unit(Unit {
                enabled: Some(Switch::On),
                active: Some(Switch::On),
                requires,
                reads: files.into(),
                ..Unit::new(name)
            }));
        }
        Ok(specs)
    }
}
