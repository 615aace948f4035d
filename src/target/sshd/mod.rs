//! sshd: what its configuration comes to, who can come in by it, and a change of it that locks nobody out.

mod access;
mod change;
mod keys;
mod pending;
mod policy;
mod session;
mod visits;

pub use access::{Access, HostKey, Openness};
pub(super) use change::Change;
pub use keys::{Key, keys_in};
pub use pending::{CONFIRM_WITHIN, Pending};
pub use policy::{policy_gaps, prove};
pub(super) use visits::matches;
pub use visits::{Included, SSHD_CONFIG, configuration, included, visits};
