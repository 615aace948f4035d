//! Owners' scripts and checks: programs whose verdict is kept on the machine.

use super::machine::{Machine, describe};
use super::{CheckVerdict, OpError, Probe, Progress, Target, Verdict, seal};
use crate::model::{Owner, TargetPath};
use crate::step::{Ability, CheckRun, Cmd, ScriptRun, Trigger};

/// Stands for the script's path in the words of its command.
const PLACE: &str = "SCRIPT";

impl Machine {
    pub(super) fn run_script(&self, run: &ScriptRun, progress: &dyn Progress) -> Result<(), OpError> {
        let path = |text: String| TargetPath::parse(&text).map_err(|e| OpError::new("use a path", e));
        let file = path(format!("/var/lib/fitout/scripts/{}.sh", run.name))?;
        self.keep(&file, run.text.as_bytes())?;
        let argv = run.argv.iter().map(|word| if word == PLACE { file.to_string() } else { word.clone() }).collect();
        let cmd = Cmd { argv, env: run.env.clone(), user: Owner::Root, directory: run.directory.clone() };
        let ended = self.run(&cmd, Some(run.timeout), progress)?;
        let log = path(format!("/var/log/fitout/scripts/{}.log", run.name))?;
        self.keep(&log, format!("{}{}", ended.output.stdout, ended.output.stderr).as_bytes())?;
        let outcome = match (ended.timed_out, ended.output.status) {
            (true, _) => format!("timed out after {}", run.timeout),
            (false, 0) => "succeeded".to_owned(),
            (false, status) => format!("failed with exit status {status}"),
        };
        let boot = if self.has(Ability::RunningSystem) && run.trigger == Trigger::Startup { self.boot()? } else { None };
        // A script that ran into its deadline and then exited 0 did not do its job.
        let status = if ended.timed_out { 124 } else { ended.output.status };
        let verdict = Verdict { version: 1, digest: run.digest, boot, status, outcome: outcome.clone() };
        let bytes = seal(&verdict).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&Verdict::path(&run.name)?, &bytes)?;
        if status == 0 {
            return Ok(());
        }
        Err(OpError::new(format!("run the {} script", run.name), format!("{outcome}: {}", describe(&ended.output)))
            .hint(format!("all that it printed is in {log} on the machine")))
    }

    fn boot(&self) -> Result<Option<String>, OpError> {
        let path = TargetPath::parse("/proc/sys/kernel/random/boot_id").map_err(|e| OpError::new("use a path", e))?;
        Ok(self.files.read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    pub(super) fn run_check(&self, run: &CheckRun, progress: &dyn Progress) -> Result<(), OpError> {
        let act = || format!("pass the check {}", run.name);
        let ended = self.run(&run.cmd, Some(run.timeout), progress)?;
        if ended.timed_out {
            return Err(OpError::new(act(), format!("`{}` took longer than {}", run.cmd.first_line(), run.timeout)));
        }
        if ended.output.status != 0 {
            return Err(OpError::new(act(), format!("`{}`: {}", run.cmd.first_line(), describe(&ended.output))));
        }
        if let Some(wanted) = &run.stdout_contains
            && !ended.output.stdout.contains(wanted)
        {
            let said = ended.output.stdout.trim();
            return Err(OpError::new(act(), format!("`{}` printed no `{wanted}`; it printed: {said}", run.cmd.first_line())));
        }
        let verdict = CheckVerdict { version: 1, digest: run.digest };
        let bytes = seal(&verdict).map_err(|e| OpError::new("write a verdict", e))?;
        self.keep(&CheckVerdict::path(&run.name)?, &bytes)
    }
}
