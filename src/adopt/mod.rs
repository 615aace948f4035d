//! A manifest of what a machine has already: where a person begins who has a machine and no manifest.
//!
//! Each part looks at one side of the machine through [`Probe`] and proposes a `Section`. What a section states was proved: its plan
//! has nothing to do. What was found and cannot be stated so is a comment. No text that may hold a secret is copied.
//!
//! To look at more: a file here with a function that makes a `Section`, and its line in `PARTS`.

mod environments;
mod look;
mod packages;
mod person;
mod proof;
mod section;
mod system;
mod units;

use crate::store::Store;
use crate::target::{Probe, ProbeError, read_facts};
use section::Section;

/// What looks at one side of a machine.
type Part = fn(&dyn Probe) -> Result<Section, ProbeError>;

/// What each part is about, and who looks, in the order of the manifest.
const PARTS: [(&str, Part); 10] = [
    ("The host name: of /etc/hostname.", system::name),
    ("Whose machine it is: of /etc/passwd and /etc/group.", person::person),
    ("Packages that were asked for by name: of dpkg and apt's marks, without those that every Debian has.", packages::packages),
    ("Units of your own, and what was switched by hand: of /etc/systemd/system.", units::units),
    ("The time zone: of /etc/localtime.", system::timezone),
    ("The language of logins: of /etc/default/locale.", system::locale),
    ("Settings of the kernel: of /etc/sysctl.conf and /etc/sysctl.d.", system::sysctl),
    ("SSH: what the machine's own sshd answers.", system::ssh),
    ("Environments and Jupyter kernels, where these usually are.", environments::environments),
    ("What else people put on machines.", system::more),
];

const HEAD: &str = "\
# Made from a machine by `fitout init --from-machine`. What is stated here is so already: `fitout plan` with it has nothing to do.
# Comments tell what was found and is not stated. What is not mentioned is not managed: it stays as it is.
schema: 1
";

/// A manifest of what a machine has. A side of it that cannot be looked at is a comment with the reason, never an absence.
///
/// # Errors
/// This is no machine that Fitout knows, or Fitout's own files on it cannot be read.
pub fn propose(on: &dyn Probe, store: &Store) -> Result<String, ProbeError> {
    let facts = read_facts(on)?;
    let mut text = HEAD.to_owned();
    for (title, part) in PARTS {
        let section = part(on).unwrap_or_else(|error| Section::default().remark(format!("It could not be told: {error}")));
        text += &proof::proved(section, on, &facts, store)?.show(title);
    }
    Ok(text)
}
