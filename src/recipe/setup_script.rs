//! `setup_scripts`: the owner's scripts, with Azure ML's semantics (creation once, then startup at each start).

use super::{Context, Item, Recipe};
use crate::model::{HomePath, Owner, Sha256, Span, TargetPath};
use crate::problem::Problem;
use crate::resource::{Script, Spec};
use crate::step::{Again, ScriptRun, Trigger};
use std::collections::BTreeMap;

/// `creation_script` or `startup_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupScript {
    /// When it runs.
    pub trigger: Trigger,
    /// Its text.
    pub text: String,
    /// Its file's name, such as `setup.sh`.
    pub file_name: String,
    /// `command` split as a shell splits words, the file's name replaced by `SCRIPT`; by default `bash SCRIPT`.
    pub argv: Vec<String>,
    /// How long it may take.
    pub timeout: Span,
    /// Who runs it.
    pub user: Owner,
    /// Where it runs; by default `/`, or the owner's home where the owner runs it.
    pub directory: Option<HomePath>,
    /// Whether it runs again after it succeeded.
    pub again: Again,
    /// What it makes: where that is there, it does not run.
    pub creates: Option<HomePath>,
}

/// Stands for the script's path in its argument list.
pub const SCRIPT: &str = "SCRIPT";

/// Azure ML's default: 15 minutes.
pub const SCRIPT_TIMEOUT: Span = Span::minutes(15);

impl SetupScript {
    /// `creation` or `startup`, its name everywhere.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.trigger {
            Trigger::Creation => "creation",
            Trigger::Startup => "startup",
        }
    }
}

impl Recipe for SetupScript {
    fn item(&self) -> Item {
        Item::section(match self.trigger {
            Trigger::Creation => "setup_scripts.creation_script",
            Trigger::Startup => "setup_scripts.startup_script",
        })
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let name = self.name();
        let owner = context.owner.map_or("root", |owner| owner.as_str());
        let mut env = BTreeMap::from([
            ("CI_LOCAL_UBUNTU_USER".to_owned(), owner.to_owned()),
            ("ADMIN_USERNAME".to_owned(), owner.to_owned()),
            ("CI_WORKSPACE".to_owned(), String::new()),
            ("CI_RESOURCE_GROUP".to_owned(), String::new()),
        ]);
        env.insert("CI_NAME".into(), context.name.map(ToString::to_string).unwrap_or_default());
        let digest = Sha256::of_parts([name, self.text.as_str()].into_iter().chain(self.argv.iter().map(String::as_str)));
        let natural = match self.user {
            Owner::Root => TargetPath::root(),
            Owner::User(_) => context.home.clone(),
        };
        let run = ScriptRun {
            name: name.into(),
            text: self.text.clone(),
            argv: self.argv.clone(),
            env,
            timeout: self.timeout,
            directory: self.directory.as_ref().map_or(natural, |directory| directory.within(context.home)),
            user: self.user.clone(),
            trigger: self.trigger,
            again: self.again,
            creates: self.creates.as_ref().map(|path| path.within(context.home)),
            digest,
        };
        Ok(vec![Spec::Script(Script { run })])
    }
}
