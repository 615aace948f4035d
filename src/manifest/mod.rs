//! Manifests: text to a validated [`Machine`], with every problem reported at once.
//!
//! ```text
//! texts --parse, include--> layers --when, merge--> one tree --de--> v1 types --validate--> Machine
//! ```
//!
//! [`load`] reads and checks, [`Manifest::on`] makes the [`Machine`]. To add a field: its line in `v1` with a comment (schema and `explain` follow), its check and
//! its [`crate::recipe::Want`] in `validate/`, a case under `tests/cases/manifest/`.

mod arm;
mod at;
mod composed;
mod de;
mod disposition;
mod draft;
mod explain;
mod files;
mod findings;
mod image;
mod include;
mod later;
mod limits;
mod load;
mod machine;
mod merge;
mod node;
mod origin;
mod other;
mod parse;
mod path;
mod question;
mod reading;
mod reference;
mod said;
mod schema;
mod setting;
mod shape;
mod source;
mod syntax;
mod types;
mod v1;
mod validate;
mod values;
mod when;
mod write;

pub use disposition::{Disposition, Field};
pub use draft::{STARTER, Stand, from_azure};
pub use explain::{explain, meant};
pub use files::{Files, HostFiles, MemoryFiles, TextError, text};
pub use image::{ImageBase, ImageDefinition, ImageFormat, Release, load_image};
pub use load::{Further, Manifest, load, load_and};
pub use machine::{Machine, MachineKind, Policy, Requirement};
pub use node::{Node, Value};
pub use origin::{Origin, origins};
pub use parse::{Parsed, Tally, parse};
pub use reference::reference;
pub use schema::schema;
pub use setting::is_setting;
pub use source::{Rejected, Sheets, Source};
pub use write::{Remarks, field, word, write};
