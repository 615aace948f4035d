//! Where in a document a value is.

use std::fmt;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// A manifest, which `fitout explain` knows.
    Manifest,
    /// An image definition, which docs/images.md explains.
    Image,
}

/// Where in the document a value is, as people write it: `environments[0].name`.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// The document.
    Root(Document),
    /// A value of a mapping.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// What the path is in.
    pub const fn document(&self) -> Document {
        match self {
            Self::Root(document) => *document,
            Self::Key(above, _) | Self::Item(above, _) => above.document(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(Document::Manifest) => f.write_str("manifest"),
            Self::Root(Document::Image) => f.write_str("image definition"),
            Self::Key(Self::Root(_), key) => f.write_str(key),
            Self::Key(above, key) => write!(f, "{above}.{key}"),
            Self::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}
