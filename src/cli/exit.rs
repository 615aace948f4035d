//! Exit codes: public, named, documented. Those from 64 on are refusals before anything changed, by sysexits(3); a disk that is full is found on the way.

use std::fmt::Write;
use std::process::ExitCode;

macro_rules! exits {
    ($($name:ident $code:literal $meaning:literal,)*) => {
        /// How a command ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Exit {
            $(#[doc = $meaning] $name,)*
        }

        impl Exit {
            /// Its number.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }
        }

        /// Each number with its meaning.
        const ALL: &[(u8, &str)] = &[$(($code, $meaning),)*];
    };
}

// What `--help` and docs/workstation.md show.
exits! {
    Done 0 "done; steps that are only deferred count as done",
    Failed 1 "something failed or did not converge",
    NotClean 2 "not clean: `plan --detailed-exitcode` has steps; `verify`, `diff`, `doctor`, `script lint` or `lock --check` found something; `status` or `disk` is degraded",
    Usage 64 "the command line cannot be understood, or asks for what cannot be done together",
    Manifest 65 "the manifest or its lock has problems, or asks for what is nowhere to be had",
    NoInput 66 "what was named is not there: a file, a run, a resource, a script, a field of the manifest",
    Unavailable 69 "something could not be fetched",
    DiskFloor 73 "the work would leave less room than a disk guard asks for, or a disk was full",
    Locked 75 "another run is at work on this machine",
    Moved 76 "the machine or the manifest is not what it was when the plan was saved, the lock written, or the rehearsal begun",
    NotRoot 77 "only root may do this",
    Newer 78 "a newer Fitout wrote what is known of the machine",
    Interrupted 130 "Ctrl-C ended it early; `fitout apply` goes on from there",
    Terminated 143 "SIGTERM did",
}

/// The table, as `--help` shows it.
pub fn table() -> String {
    /// Lines are no longer than this, beside the number.
    const WIDTH: usize = 90;
    let mut text = String::from("Exit codes:");
    for (code, meaning) in ALL {
        let mut line = format!("\n {code:>3} ");
        for word in meaning.split(' ') {
            if line.trim_start_matches('\n').chars().count() + word.chars().count() > WIDTH {
                text.push_str(&line);
                line = format!("\n{:5}", "");
            }
            let _ = write!(line, " {word}");
        }
        text.push_str(&line);
    }
    text
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_this_table_and_no_other() {
        let rows: Vec<String> = ALL.iter().map(|(code, meaning)| format!("| {code} | {meaning} |\n")).collect();
        let page = include_str!("../../docs/workstation.md");
        let table = format!("| exit status | meaning |\n|---|---|\n{}\n", rows.concat());
        assert!(page.contains(&table), "docs/workstation.md should hold\n{table}");
    }
}
