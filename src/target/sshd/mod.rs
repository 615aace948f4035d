//! sshd: what its configuration comes to, who can come in by it, and a change of it that locks nobody out.

mod access;
mod change;
mod decide;
mod keys;
mod origin;
mod pending;
mod policy;
mod session;
mod shut;
mod visits;

pub use access::{Access, HostKey, Openness};
pub(super) use change::Change;
pub(super) use decide::ADD_UP;
pub use keys::{Key, keys_in};
pub use origin::{Origin, OwnersKey};
pub use pending::{CONFIRM_WITHIN, Pending};
pub use policy::{POLICY as SSHD_POLICY, SshLack, gaps as sshd_gaps, has_what_lacks, policy_gaps, prove};
pub use shut::UNSAID as SSHD_UNSAID;
pub(super) use visits::matches;
pub use visits::{Included, SSHD_CONFIG, included};
