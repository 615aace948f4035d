//! From the tree to the types of `v1`: a serde deserializer that reports every problem, with its place, in one go.
//!
//! Serde stops at the first error of a value. Here the innermost node of an error is written down and *poisoned*, and the whole
//! document is read again with poisoned nodes treated as absent, until it reads through. Types stay plain serde derives.

use super::at::MARKER;
use super::limits::{MAX_NODES, MOST_COUNTED, cut};
use super::node::{Entry, Kind, Mark, Node, Scalar, Value};
use super::path::{Document, Path};
use super::reading::{Reading, Required};
use super::v1::SCALAR;
use super::values::{Error, not_a_choice, not_a_list, noun, text, truth, whole};
use crate::problem::Code;
use serde::de::value::{BoolDeserializer, StrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use std::cell::RefCell;
use std::marker::PhantomData;

/// Reads a tree as `T`. `None` where not even the document itself could be read; problems are in the report in any case.
pub fn read<'a, T: DeserializeOwned>(root: &Node, document: Document, required: Required<'a>) -> (Option<T>, Reading<'a>) {
    let reading = RefCell::new(Reading::new(required));
    let mut value = None;
    // An item that lacks what could not be read is left out by a second try, which tells nothing.
    while reading.borrow().problems.len() < MOST_COUNTED {
        let known = reading.borrow().strays();
        value = Reader { node: root, path: &Path::Root(document), reading: &reading }.give(PhantomData::<T>).ok();
        // What was read before a stray key was found does not know that it may be what it misses.
        if value.is_some() && reading.borrow().strays() == known
            || reading.borrow().is_poisoned(root)
            || reading.borrow().visits > MOST_VISITS
        {
            break;
        }
    }
    let mut reading = reading.into_inner();
    if value.is_none() && !reading.is_poisoned(root) {
        reading.problems.push(cut());
    }
    (value, reading)
}

/// Most values read, over all retries: a text of very many values is read a few times only, however much is wrong with it.
const MOST_VISITS: usize = 2 * MAX_NODES;

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'r, 'a> {
    node: &'r Node,
    path: &'r Path<'r>,
    reading: &'r RefCell<Reading<'a>>,
}

impl Reader<'_, '_> {
    /// Gives this node to whoever wants its value; writes an error down as this node's, unless it is already written. Every node
    /// passes through here, so that errors of conversions after the reading are caught as well.
    fn give<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.reading.borrow_mut().visits += 1;
        seed.deserialize(self).map_err(|error| {
            self.reading.borrow_mut().write(self.node, self.path, error);
            Error::Written
        })
    }

    fn scalar(&self, wanted: &str) -> Result<&Scalar, Error> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::List(_) | Value::Map(_) => {
                Err(Error::Said(Code::WrongType, format!("{wanted} was expected, not {}", noun(self.node)), None))
            }
        }
    }

    fn is_null(&self) -> bool {
        matches!(&self.node.value, Value::Scalar(scalar) if scalar.kind() == Kind::Null)
    }

    fn text(&self) -> Result<&str, Error> {
        text(self.scalar("text")?)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let high = i64::try_from(<$number>::MAX).unwrap_or(i64::MAX);
            let low = i64::try_from(<$number>::MIN).unwrap_or(0);
            let value = whole(self.scalar("a number")?, low, high)?;
            let value = <$number>::try_from(value).map_err(|_| Error::Said(Code::BadValue, "out of range".into(), None));
            visitor.$visit(value?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Scalar(_) => self.deserialize_str(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = truth(self.scalar("true or false")?)?;
        visitor.visit_bool(value)
    }

    numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == MARKER {
            return visitor.visit_seq(PlaceThenValue { part: 0, reader: self });
        }
        if name == SCALAR {
            return visitor.visit_str(&self.scalar("a single value")?.text);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items: &[Node] = match &self.node.value {
            Value::List(items) => items,
            Value::Scalar(_) if self.is_null() => &[],
            Value::Scalar(_) | Value::Map(_) => return Err(not_a_list(self.node)),
        };
        visitor.visit_seq(ListAccess { items, next: 0, reader: self })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Map(entries) = &self.node.value else {
            let error = self.reading.borrow_mut().not_a_map(self.node, name, fields);
            return Err(error);
        };
        let known = |entry: &&Entry| name.is_empty() || fields.contains(&entry.key.as_str());
        for stray in entries.iter().filter(|entry| !known(entry)) {
            self.reading.borrow_mut().stray(stray, self.path, name, fields);
        }
        let entries = entries.iter().filter(known).collect();
        visitor.visit_map(KeyAccess { entries, next: 0, reader: self }).map_err(|error| match error {
            Error::Missing(field) => {
                self.reading.borrow_mut().write_missing(self.node, self.path, name, field);
                Error::Written
            }
            Error::Said(..) | Error::Written => error,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let choice = Choice { name, variants, reader: self };
        let result = visitor.visit_enum(choice);
        // A choice cannot be made without its value: where that is poisoned, so is the choice.
        if matches!(result, Err(Error::Written)) {
            self.reading.borrow_mut().poison(self.node);
        }
        result
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { f32 f64 char bytes byte_buf unit_struct tuple tuple_struct }
}

/// What `At` asks for: file, line, column, width, wholeness, value.
struct PlaceThenValue<'r, 'a> {
    part: usize,
    reader: Reader<'r, 'a>,
}

impl<'de> de::SeqAccess<'de> for PlaceThenValue<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Mark { file, line, column, width } = &self.reader.node.mark;
        let number = |number: &u32| -> U32Deserializer<Error> { (*number).into_deserializer() };
        self.part += 1;
        match self.part {
            1 => seed.deserialize::<StrDeserializer<'_, Error>>(file.as_ref().into_deserializer()),
            2 => seed.deserialize(number(line)),
            3 => seed.deserialize(number(column)),
            4 => seed.deserialize(number(width)),
            5 => {
                let whole: BoolDeserializer<Error> = self.reader.reading.borrow().is_whole(self.reader.node).into_deserializer();
                seed.deserialize(whole)
            }
            6 => self.reader.give(seed),
            _ => return Ok(None),
        }
        .map(Some)
    }
}

struct ListAccess<'r, 'a> {
    items: &'r [Node],
    next: usize,
    reader: Reader<'r, 'a>,
}

impl<'de> de::SeqAccess<'de> for ListAccess<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        while let Some(node) = self.items.get(self.next) {
            let path = Path::Item(self.reader.path, self.next);
            self.next += 1;
            if !self.reader.reading.borrow().is_poisoned(node) {
                return Reader { node, path: &path, ..self.reader }.give(seed).map(Some);
            }
        }
        Ok(None)
    }
}

struct KeyAccess<'r, 'a> {
    entries: Vec<&'r Entry>,
    next: usize,
    reader: Reader<'r, 'a>,
}

impl<'de> de::MapAccess<'de> for KeyAccess<'_, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        while let Some(entry) = self.entries.get(self.next) {
            self.next += 1;
            if !self.reader.reading.borrow().is_poisoned(&entry.value) {
                let key: StrDeserializer<'_, Error> = entry.key.as_str().into_deserializer();
                return seed.deserialize(key).map(Some).map_err(|error| {
                    self.reader.reading.borrow_mut().write_key(entry, self.reader.path, error);
                    Error::Written
                });
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let entry = self.next.checked_sub(1).and_then(|index| self.entries.get(index));
        let Some(entry) = entry else { return Err(Error::Written) };
        let path = Path::Key(self.reader.path, &entry.key);
        Reader { node: &entry.value, path: &path, ..self.reader }.give(seed)
    }
}

/// Choices of Azure's, whose words its tools take in every case, with or without `_`: `Stop`, `SystemAssigned`.
const AZURES_CHOICES: [&str; 9] =
    ["MachineType", "IdentityKind", "Action", "Switch", "TriggerKind", "Frequency", "WeekDay", "ApplicationKind", "SharingPolicy"];

/// Whether Azure's tools take a word for a variant.
fn is_azures(variant: &str, word: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !"_, ".contains(*c)).map(|c| c.to_ascii_lowercase()).collect::<String>();
    letters(variant) == letters(word)
}

/// A word, or a mapping of one key, that picks a variant.
struct Choice<'r, 'a> {
    name: &'static str,
    variants: &'static [&'static str],
    reader: Reader<'r, 'a>,
}

impl<'r> Choice<'r, '_> {
    /// The variant's name, and its value where it carries one.
    fn pick(&self) -> Result<(&'r str, Option<&'r Node>), Error> {
        match &self.reader.node.value {
            Value::Scalar(_) if self.carries() => {
                Err(self.reader.reading.borrow_mut().not_a_map(self.reader.node, self.name, self.variants))
            }
            Value::Scalar(scalar) => self.known(&scalar.text).map(|word| (word, None)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => Ok((self.known(&entry.key)?, Some(&entry.value))),
                _ => Err(Error::said(
                    Code::Conflict,
                    format!("exactly one key was expected here, not {}", entries.len()),
                    format!("give one of {}", self.variants.join(", ")),
                )),
            },
            Value::List(_) => Err(Error::said(
                Code::WrongType,
                "one choice was expected, not a list",
                format!("give one of {}", self.variants.join(", ")),
            )),
        }
    }

    fn known<'w>(&self, word: &'w str) -> Result<&'w str, Error> {
        let same = |variant: &&&'static str| **variant == word || AZURES_CHOICES.contains(&self.name) && is_azures(variant, word);
        match self.variants.iter().find(same) {
            Some(variant) => Ok(variant),
            None => Err(not_a_choice(word, self.name, self.variants)),
        }
    }

    /// Whether variants of this type carry values, and so must be mappings.
    fn carries(&self) -> bool {
        super::reading::HOLDS_SECRET.contains(&self.name)
    }
}

impl<'de, 'r, 'a> de::EnumAccess<'de> for Choice<'r, 'a> {
    type Error = Error;
    type Variant = Picked<'r, 'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Picked<'r, 'a>), Error> {
        let (word, value) = self.pick()?;
        let name: StrDeserializer<'_, Error> = word.into_deserializer();
        Ok((seed.deserialize(name)?, Picked { word, value, reader: self.reader }))
    }
}

/// The value of a variant.
struct Picked<'r, 'a> {
    word: &'r str,
    value: Option<&'r Node>,
    reader: Reader<'r, 'a>,
}

impl<'a> Picked<'_, 'a> {
    fn read<T>(self, read: impl FnOnce(Reader<'_, 'a>) -> Result<T, Error>) -> Result<T, Error> {
        let Some(node) = self.value else { return Err(Error::Said(Code::WrongType, format!("`{}` needs a value", self.word), None)) };
        let path = Path::Key(self.reader.path, self.word);
        read(Reader { node, path: &path, reading: self.reader.reading })
    }
}

impl<'de> de::VariantAccess<'de> for Picked<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Error::Said(Code::WrongType, format!("`{}` takes no value", self.word), None)),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.read(|reader| reader.give(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(|reader| reader.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.read(|reader| reader.deserialize_struct("", fields, visitor))
    }
}
