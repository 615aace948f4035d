//! Azure's cron expressions: five fields of `*`, numbers, ranges and lists; no names, no steps.
//!
//! The service calls its grammar `NCronTab`, but its documentation lists only these forms, and a schedule that the service refuses is
//! worth nothing.

use crate::model::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// A field: its name, its least and its greatest number.
type Field = (&'static str, u8, u8);

const FIELDS: [Field; 5] = [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6)];

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cron(String);

impl TryFrom<String> for Cron {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            let form = "minute, hour, day of the month, month, day of the week, such as `0 18 * * 1-5`";
            return Err(Invalid::new(format!("a cron expression has 5 fields, not {}: {form}", parts.len())));
        }
        for (part, field) in parts.iter().zip(FIELDS) {
            part.split(',').try_for_each(|item| item_of(item, field))?;
        }
        Ok(Self(text))
    }
}

fn item_of(item: &str, field: Field) -> Result<(), Invalid> {
    let (name, _, _) = field;
    if item == "*" {
        return Ok(());
    }
    if item.contains('/') {
        return Err(Invalid::new(format!("`{item}` in the {name}: Azure has no steps; list the numbers, such as 0,15,30,45")));
    }
    let Some((from, to)) = item.split_once('-') else { return number(item, field).map(|_| ()) };
    if number(from, field)? <= number(to, field)? {
        return Ok(());
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
}
