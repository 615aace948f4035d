//! Values of a document as Rust's: a text, a truth value, a whole number, a choice; and in words, where they are none.

use super::later;
use super::node::{Kind, Node, Scalar, Style, Value};
use super::setting::is_setting;
use super::write::word;
use crate::problem::{Code, Place, Problem, nearest};
use serde::de;
use std::fmt;

/// What to do about text that reads as something else.
const QUOTE: &str = "put it in quotes: ";

/// Why a value could not be made.
#[derive(Debug)]
pub enum Error {
    /// A problem whose place is not known yet: that of the innermost node.
    Said(Code, String, Option<String>),
    /// A field without a default is absent.
    Missing(&'static str),
    /// Everything has been written down, here or further in.
    Written,
}

impl Error {
    /// A problem with advice.
    pub fn said(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Said(code, message.into(), Some(help.into()))
    }

    /// As a problem of what is called `what`, unless it is written down elsewhere.
    pub fn at(self, place: &Place, what: impl fmt::Display) -> Option<Problem> {
        let Self::Said(code, message, suggestion) = self else { return None };
        // What a shell is given loses its quotes.
        let for_shell = |help: String| match help.strip_prefix(QUOTE) {
            Some(quoted) if is_setting(&place.file) => format!("{help}, and once more for the shell: {}='{quoted}'", place.file),
            _ => help,
        };
        let suggestion = suggestion.map(for_shell);
        Some(Problem { suggestion, ..Problem::at(code, place, format!("`{what}`: {message}")) })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(_, message, _) => f.write_str(message),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::Written => f.write_str("a problem that was reported already"),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Said(Code::BadValue, message.to_string(), None)
    }
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Said(Code::WrongType, format!("{expected} was expected here"), None)
    }
    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// What a node is, in words.
pub fn noun(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a mapping".into(),
        Value::Scalar(scalar) => match scalar.kind() {
            Kind::Null => "nothing".into(),
            Kind::Bool(value) => format!("{value}"),
            Kind::OldBool(_) => format!("the word {}", scalar.text),
            Kind::Int(_) | Kind::Number => format!("the number {}", scalar.text),
            Kind::Text => "text".into(),
        },
    }
}

/// What to say of a scalar or mapping where a list belongs.
pub fn not_a_list(node: &Node) -> Error {
    let help = match &node.value {
        Value::Scalar(scalar) if scalar.text.len() < 60 && !scalar.text.contains('\n') => {
            // A number may be meant as one.
            let part = |part: &str| if part.parse::<f64>().is_ok() { part.to_owned() } else { word(part) };
            format!("write [{}]", scalar.text.split_whitespace().map(part).collect::<Vec<_>>().join(", "))
        }
        Value::Scalar(_) | Value::List(_) | Value::Map(_) => "write each item on a line of its own that starts with `- `".into(),
    };
    Error::said(Code::WrongType, format!("a list was expected, not {}", noun(node)), help)
}

/// The text of a scalar that is to be text, and no number or truth value in disguise.
pub fn text(scalar: &Scalar) -> Result<&str, Error> {
    let shown = &scalar.text;
    let quote = || format!("{QUOTE}\"{shown}\"");
    match scalar.kind() {
        Kind::Text => Ok(shown),
        Kind::Null if shown == "~" => Err(Error::said(Code::WrongType, "text was expected, and ~ without quotes is nothing", quote())),
        Kind::Null => Err(Error::said(Code::WrongType, "text was expected, but nothing is given", "write the text, or remove the key")),
        Kind::Bool(_) => {
            Err(Error::said(Code::WrongType, format!("text was expected, and {shown} without quotes is a truth value"), quote()))
        }
        Kind::OldBool(_) => {
            let message = format!("text was expected, and some readers of YAML take {shown} without quotes for a truth value");
            Err(Error::said(Code::WrongType, message, quote()))
        }
        Kind::Int(_) | Kind::Number => {
            Err(Error::said(Code::WrongType, format!("text was expected, and {shown} without quotes is a number"), quote()))
        }
    }
}

/// The truth value of a scalar.
pub fn truth(scalar: &Scalar) -> Result<bool, Error> {
    match scalar.kind() {
        Kind::Bool(value) => Ok(value),
        Kind::OldBool(value) => Err(Error::said(
            Code::WrongType,
            format!("{} is not a truth value to every reader of YAML", scalar.text),
            format!("write {value}"),
        )),
        Kind::Text if scalar.text == "true" || scalar.text == "false" => {
            Err(Error::said(Code::WrongType, "a truth value was expected, and quotes make this text", format!("write {}", scalar.text)))
        }
        Kind::Null | Kind::Int(_) | Kind::Number | Kind::Text => {
            Err(Error::said(Code::WrongType, "a truth value was expected", "write true or false"))
        }
    }
}

/// The whole number of a scalar, within bounds.
pub fn whole(scalar: &Scalar, low: i64, high: i64) -> Result<i64, Error> {
    let shown = &scalar.text;
    let digits = shown.replace('_', "");
    // Where validation knows the bounds, those of the type say nothing.
    let help = if (low, high) == (i64::MIN, i64::MAX) {
        "write a whole number".to_owned()
    } else {
        format!("write a number from {low} to {high}")
    };
    let value = match scalar.kind() {
        Kind::Int(_)
            if shown.len() > 1 && shown.trim_start_matches(['-', '+']).starts_with('0') && shown.bytes().all(|b| b.is_ascii_digit()) =>
        {
            let message = format!("readers of YAML disagree whether {shown} is octal");
            return Err(Error::said(Code::WrongType, message, "write the number without a leading zero"));
        }
        Kind::Int(value) => value,
        Kind::Text if scalar.style == Style::Quoted && shown.parse::<i64>().is_ok() => {
            return Err(Error::said(Code::WrongType, "a number was expected, and quotes make this text", format!("write {shown}")));
        }
        Kind::Text if digits.parse::<i64>().is_ok() => {
            return Err(Error::said(Code::WrongType, "a number was expected, and `_` makes this text", format!("write {digits}")));
        }
        Kind::Null | Kind::Bool(_) | Kind::OldBool(_) | Kind::Number | Kind::Text => {
            return Err(Error::said(Code::WrongType, "a whole number was expected", help));
        }
    };
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(Error::said(Code::BadValue, format!("{shown} is out of range"), help))
}

/// A word that is none of the choices.
pub fn not_a_choice(word: &str, holder: &str, choices: &[&str]) -> Error {
    if later::awaited(holder, word).is_some() {
        return Error::said(
            Code::NotYet,
            format!("`{word}` is not yet in this version"),
            format!("this version knows {}", choices.join(", ")),
        );
    }
    let help = match nearest(word, choices.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", choices.join(", ")),
    };
    Error::said(Code::BadValue, format!("`{word}` is not among the choices"), help)
}
