//! Fitout on a real Debian root: what it makes, and that nothing that cuts a run short is lost.
//!
//! Needs root, a network for the first run (the root is made by mmdebstrap and kept under `target/`), and what `make packages` installs.

#![cfg(test)]

mod absent;
mod adopt;
mod disk;
mod downloads;
mod ending;
mod environments;
mod faults;
mod files;
mod gpu;
mod injection;
mod kills;
mod locks;
mod modes;
mod packages;
mod plans;
mod promised;
mod races;
mod rehearsal;
mod secrets;
mod support;
mod workstation;
