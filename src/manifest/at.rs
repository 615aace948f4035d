//! A value that remembers where it was written, so that validation can point at it.

use crate::problem::Place;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The name by which [`At`] asks the manifest's deserializer for a place; no Rust type can have it.
pub const MARKER: &str = "$at";

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
    /// Whether all of it could be read: what a value lacks proves nothing where a part was left out because of a problem.
    pub whole: bool,
}

impl<T> At<T> {
    /// Another value of the same place.
    pub fn map<U>(&self, to: impl FnOnce(&T) -> U) -> At<U> {
        At { value: to(&self.value), place: self.place.clone(), whole: self.whole }
    }
}

/// File, line, column, width, wholeness, then the value itself.
struct AtVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<At<T>, A::Error> {
        fn part<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
            seq.next_element()?.ok_or_else(|| A::Error::custom("a place has six parts"))
        }
        let (file, line, column, width) = (part::<Arc<str>, A>(&mut seq)?, part(&mut seq)?, part(&mut seq)?, part(&mut seq)?);
        Ok(At { place: Place { file, line, column, width }, whole: part(&mut seq)?, value: part(&mut seq)? })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MARKER, AtVisitor(PhantomData))
    }
}

/// In the schema the place does not show.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
