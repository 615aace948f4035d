//! How the checked values of `model/` look in the schema.

use crate::model::{ComputeName, HomePath, Mode, SecretRef, Span, TargetPath, UnitName, UserName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! texts {
    ($($name:ident: $pattern:literal, $description:literal;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $description})
            }
        }
    )*};
}

texts! {
    ComputeName: r"^(?=.{3,24}$)[A-Za-z][A-Za-z0-9-]*[A-Za-z][0-9]*$|^(?=.{3,24}$)[A-Za-z][A-Za-z0-9]*$", "3 to 24 letters, digits and `-`, a letter first, a letter after the last `-`.";
    UserName: r"^[a-z_][a-z0-9_-]{0,31}$", "A lower-case letter or `_` first, then lower-case letters, digits, `_`, `-`; at most 32.";
    UnitName: r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|mount|automount|path)$", "The full name of a unit of systemd, such as `nginx.service`.";
    TargetPath: r"^/", "An absolute path on the machine.";
    HomePath: r"^(/|~$|~/)", "A path on the machine: absolute, or below the owner's home (`~/…`).";
    Mode: r"^[0-7]{3,4}$", "Three or four octal digits, such as `0644`.";
    Span: r"^(P?T?[0-9.]+[dhmsDHMS]?)+([T]?[0-9.]+[dhmsDHMS])*$", "A length of time, such as `90s`, `15m`, `1h30m` or `PT15M`.";
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<TargetPath>();
        json_schema!({
            "description": "Where a secret is found on the machine; never the secret itself.",
            "oneOf": [
                {"type": "object", "required": ["file"], "additionalProperties": false, "properties": {"file": path}},
                {"type": "object", "required": ["credential"], "additionalProperties": false, "properties": {
                    "credential": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "description": "The name of a systemd credential."}
                }}
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::v1::Size;

    fn agree<T: JsonSchema + TryFrom<String>>(samples: &[&str]) {
        let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for sample in samples {
            let read = T::try_from((*sample).to_owned()).is_ok();
            assert_eq!(read, validator.is_valid(&serde_json::Value::from(*sample)), "{}: {sample:?}", T::schema_name());
        }
    }

    #[test]
    fn patterns_say_what_the_model_says() {
        agree::<ComputeName>(&[
            "abc",
            "gpu-lab-b",
            "a-1b",
            "a-1",
            "ab",
            "a1b2",
            "1ab",
            "a_b",
            "abc-",
            "abcdefghijklmnopqrstuvwxy",
            "a-b-1",
            "a--b",
        ]);
        agree::<UserName>(&["ada", "_x", "Ada", "a b", "", "a-1", "1a"]);
        agree::<UnitName>(&["nginx.service", "getty@tty1.service", "nginx", "a b.service", "x.conf", ".service"]);
        agree::<Mode>(&["0644", "755", "0999", "rw", "00644", ""]);
        agree::<Span>(&["90", "90s", "15m", "1h30m", "PT1H30M", "P1DT1S", "1.5h", "", "m", "1x", "PT", "-5s", "1h 30m"]);
        agree::<Size>(&["5GB", "1.5 GiB", "0B", "5", "GB", "5XB", "1..2GB", "-1GB", "1.GB", "5gb"]);
        agree::<HomePath>(&["/etc", "~", "~/x", "~bob", "x", ""]);
    }
}
