//! Fitout turns a bare Linux machine into an ML workstation, from one YAML manifest: live, as an offline root, in a container, or
//! as an image.
//!
//! A manifest becomes a document, the document a validated machine, its conveniences plain resources; each resource looks at a
//! target and says what is to be done; one small engine does it and looks again. The rooms, lowest first; a room uses only
//! rooms above it in this list, which `tests/architecture.rs` enforces:
//!
//! | room | what it is for |
//! |---|---|
//! | [`model`] | checked values |
//! | [`lint`] | advice on setup scripts |
//! | [`problem`] | what is wrong with a manifest, and how that is shown |
//! | [`schedule`] | when a machine starts and stops |
//! | [`step`] | the vocabulary of change |
//! | [`store`] | downloads by digest |
//! | [`target`] | machines: looked at, changed; the only room that touches one |
//! | [`resource`] | plain kinds: observe and diff |
//! | [`recipe`] | conveniences that lower to plain kinds |
//! | [`manifest`] | text to a validated machine; the only YAML |
//! | [`fetch`] | downloads: fills the store |
//! | [`cloud`] | the cloud around a machine, which can stop it |
//! | [`resolve`] | open questions, answered once |
//! | [`graph`] | the order of work |
//! | [`plan`] | the forecast |
//! | [`apply`] | the engine and its events |
//! | [`journal`] | what happened, for people |
//! | [`session`] | from a manifest and a machine to work, and through it |
//! | [`adopt`] | a manifest of what a machine has already |
//! | [`doctor`] | who else has a hand in a machine, and what stands in the way |
//! | [`datasource`] | what a machine is told from outside about itself |
//! | [`image`] | disks that boot, baked in named stages |
//! | [`agent`] | the service: brings a machine up, says how it is, watches its disks |
//! | [`cli`] | the command line |

pub mod adopt;
pub mod agent;
pub mod apply;
pub mod cli;
pub mod cloud;
pub mod datasource;
pub mod doctor;
pub mod fetch;
pub mod graph;
pub mod image;
pub mod journal;
pub mod lint;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod problem;
pub mod recipe;
pub mod resolve;
pub mod resource;
pub mod schedule;
pub mod session;
pub mod step;
pub mod store;
pub mod target;
