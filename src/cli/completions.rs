//! `fitout completions`: generated from the command line itself, so that they never drift from it.

use super::{Cli, Exit, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Arguments of `fitout completions`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "fitout", &mut script);
    output::data(&String::from_utf8_lossy(&script));
    Exit::Done
}
