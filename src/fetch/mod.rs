//! Downloads: the only place that speaks HTTP, and the one that fills the store.
//!
//! What is fetched into the store has a digest and is published only when it has it, so plain `http:` is as good as `https:` there.
//! A passing failure (a lost connection, a busy server) is tried again, going on where it stopped if the server can; a refusal is final.
//! Certificates are judged by the machine's own store and the authorities that a manifest names; nothing makes a bad one good.

mod client;
mod download;
mod error;
mod incoming;
mod limits;
mod near;
mod ranges;
mod redirect;
mod route;
#[cfg(test)]
mod tests;
mod tls;

pub use client::{Http, Page};
pub use error::{Cause, FetchError};
pub use near::{Near, Question, Reply, Verb};
