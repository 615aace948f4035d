//! Azure's cron expressions: five fields of `*`, numbers, ranges and lists; no names, no steps.
//!
//! The service calls its grammar `NCronTab`, but its documentation lists only these forms, and a schedule that the service refuses is
//! worth nothing. As in `NCronTab`, and unlike in POSIX's cron, a day must match the day of the month **and** the day of the week.

use crate::model::Invalid;
use jiff::civil::{Date, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A field: its name, its least and its greatest number.
type Field = (&'static str, u8, u8);

const FIELDS: [Field; 5] = [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6)];

/// Numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers(u64);

impl Numbers {
    fn has(self, number: i8) -> bool {
        self.iter().any(|one| one == number)
    }

    fn iter(self) -> impl Iterator<Item = i8> {
        (0..64).filter(move |number| self.0 & (1 << number) != 0)
    }
}

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    fields: [Numbers; 5],
}

impl TryFrom<String> for Cron {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            let form = "minute, hour, day of the month, month, day of the week, such as `0 18 * * 1-5`";
            return Err(Invalid::new(format!("a cron expression has 5 fields, not {}: {form}", parts.len())));
        }
        let mut fields = [Numbers(0); 5];
        for ((part, field), numbers) in parts.iter().zip(FIELDS).zip(&mut fields) {
            for item in part.split(',') {
                numbers.0 |= item_of(item, field)?.0;
            }
        }
        Ok(Self { text, fields })
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// Whether it fires on a day.
    pub(super) fn is_on(&self, date: Date) -> bool {
        let [_, _, days, months, week] = self.fields;
        months.has(date.month()) && days.has(date.day()) && week.has(date.weekday().to_sunday_zero_offset())
    }

    /// The times of day at which it fires.
    pub(super) fn times(&self) -> Vec<Time> {
        let [minutes, hours, ..] = self.fields;
        hours.iter().flat_map(|hour| minutes.iter().filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())).collect()
    }

    /// The same as an expression of systemd.time(7), without its zone.
    pub(super) fn calendar(&self) -> String {
        const WEEK: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let [minutes, hours, days, months, week] = self.fields;
        let list = |numbers: Numbers, (_, least, greatest): Field| {
            let all: Vec<String> = numbers.iter().map(|number| format!("{number:02}")).collect();
            if all.len() == usize::from(greatest - least) + 1 { "*".to_owned() } else { all.join(",") }
        };
        let weekdays: Vec<&str> = WEEK.iter().zip(0..).filter(|(_, number)| week.has(*number)).map(|(name, _)| *name).collect();
        let weekdays = if weekdays.len() == WEEK.len() { String::new() } else { format!("{} ", weekdays.join(",")) };
        format!(
            "{weekdays}*-{}-{} {}:{}:00",
            list(months, FIELDS[3]),
            list(days, FIELDS[2]),
            list(hours, FIELDS[1]),
            list(minutes, FIELDS[0])
        )
    }
}

fn item_of(item: &str, field: Field) -> Result<Numbers, Invalid> {
    let (name, least, greatest) = field;
    let range = |from: u8, to: u8| Numbers((from..=to).fold(0, |bits, number| bits | (1 << number)));
    if item == "*" {
        return Ok(range(least, greatest));
    }
    if item.contains('/') {
        return Err(Invalid::new(format!("`{item}` in the {name}: Azure has no steps; list the numbers, such as 0,15,30,45")));
    }
    let (from, to) = match item.split_once('-') {
        Some((from, to)) => (number(from, field)?, number(to, field)?),
        None => number(item, field).map(|number| (number, number))?,
    };
    if from <= to {
        return Ok(range(from, to));
    }
    Err(Invalid::new(format!("`{item}` in the {name}: a range goes from the smaller number to the greater")))
}

fn number(text: &str, (name, least, greatest): Field) -> Result<u8, Invalid> {
    let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u8>().ok().filter(|value| digits && (least..=greatest).contains(value));
    let sunday = if greatest == 6 { "; Sunday is 0" } else { "" };
    value.ok_or_else(|| Invalid::new(format!("`{text}` in the {name}: write *, or numbers from {least} to {greatest}{sunday}")))
}

impl JsonSchema for Cron {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Cron".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let item = r"(\*|\d{1,2}(-\d{1,2})?)";
        let field = format!(r"{item}(,{item})*");
        let pattern = format!(r"^\s*{field}(\s+{field}){{4}}\s*$");
        json_schema!({"type": "string", "pattern": pattern, "description": "Five fields: minute, hour, day of the month, month, day of the week (Sunday is 0)."})
    }
}

#[cfg(test)]
mod tests {
    use super::Cron;

    #[test]
    fn reads_azures_grammar_and_no_other() {
        for good in ["0 18 * * 1-5", "5,10 0-23 1 12 0", "  0 0 31 1,3-5 *  "] {
            assert!(Cron::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "* * * *", "60 * * * *", "*/5 * * * *", "0 18 * * MON", "0 18 * * 7", "0 18 * * 5-1", "0 0 0 * *", "1, * * * *"] {
            assert!(Cron::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn is_said_in_systemds_words() {
        for (cron, calendar) in [
            ("0 18 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 18:00:00"),
            ("5,10 0-23 1 12 0", "Sun *-12-01 *:05,10:00"),
            ("* * * * *", "*-*-* *:*:00"),
        ] {
            assert_eq!(Cron::try_from(cron.to_owned()).unwrap().calendar(), calendar);
        }
    }
}
