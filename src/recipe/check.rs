//! `checks`: what must be true in the end, proved by running it.

use super::{Context, Item, Recipe};
use crate::model::{Owner, Sha256, Span};
use crate::problem::Problem;
use crate::resource::{Check as Plain, Spec};
use crate::step::{CheckRun, Cmd};

/// One item of `checks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What is run.
    pub subject: Subject,
    /// Text that standard output must hold.
    pub stdout_contains: Option<String>,
    /// Killed when this has passed.
    pub timeout: Span,
}

/// What a check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A command.
    Command(Vec<String>),
    /// Code, sent to a registered kernel through Jupyter's own client.
    Kernel {
        /// The kernelspec's name.
        kernel: String,
        /// The code.
        runs: String,
        /// The directory of the environment that has the client: Jupyter's own, or that of the kernel.
        prefix: crate::model::TargetPath,
    },
}

/// How long a check may take by default.
pub const CHECK_TIMEOUT: Span = Span::minutes(2);

/// The program that speaks to a kernel: it starts the one named in argv\[1\], and runs argv\[2\] there within argv\[3\] seconds.
const THROUGH_KERNEL: &str = include_str!("through_kernel.py");

impl Recipe for Check {
    fn item(&self) -> Item {
        Item::of("checks", &self.name)
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let cmd = match &self.subject {
            Subject::Command(argv) => Cmd::new(argv.clone()).env("PATH", format!("{}:/usr/local/cuda/bin", crate::step::PATH)),
            Subject::Kernel { kernel, runs, prefix } => {
                let python = format!("{prefix}/bin/python");
                let deadline = self.timeout.as_duration().as_secs().to_string();
                let cmd = Cmd::new([python.as_str(), "-c", THROUGH_KERNEL, kernel, runs, &deadline]);
                Cmd { user: context.owner.map_or(Owner::Root, |name| Owner::User(name.clone())), ..cmd }
            }
        };
        let wanted = self.stdout_contains.clone().unwrap_or_default();
        let digest = Sha256::of_parts(cmd.argv.iter().map(String::as_str).chain([wanted.as_str()]));
        let run = CheckRun { name: self.name.clone(), cmd, stdout_contains: self.stdout_contains.clone(), timeout: self.timeout, digest };
        Ok(vec![Spec::Check(Plain { run })])
    }
}
