//! `setup_scripts`: the owner's scripts, with Azure ML's semantics (creation once, then startup at each start).

use super::{Context, Item, Recipe};
use crate::model::{HomePath, Owner, Sha256, Span, TargetPath};
use crate::problem::Problem;
use crate::resource::{Script, Spec};
use crate::step::{Again, Blob, Gate, OnEscape, OnFailure, ScriptRun, ScriptSource, ShareFolder, Trigger};
use std::collections::BTreeMap;

/// `creation_script` or `startup_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupScript {
    /// When it runs.
    pub trigger: Trigger,
    /// Its text.
    pub text: ScriptText,
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
    /// A program whose success says that there is nothing to do.
    pub unless: Option<Vec<String>>,
    /// What its failure means for the rest.
    pub on_failure: OnFailure,
    /// Whether the machine is ready before it has ended.
    pub gate: Gate,
    /// What it means that it left something outside its control group.
    pub on_escape: OnEscape,
    /// The folder on a share to which its output is copied, and where that share is mounted.
    pub logs: Option<(HomePath, HomePath)>,
    /// Where Azure has the machine, which scripts are told.
    pub place: AzurePlace,
}

/// Where Azure has a machine; empty where a manifest does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AzurePlace {
    /// Its resource group.
    pub resource_group: String,
    /// Its workspace of Azure Machine Learning.
    pub workspace: String,
}

impl AzurePlace {
    /// By the id of the machine: `/subscriptions/ID/resourceGroups/GROUP/providers/NAMESPACE/workspaces/WORKSPACE/computes/NAME`.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let parts: Vec<&str> = id.split('/').collect();
        let after = |word: &str| {
            let two = parts.windows(2).find(|two| two[0].eq_ignore_ascii_case(word));
            two.map(|two| two[1].to_owned()).unwrap_or_default()
        };
        Self { resource_group: after("resourceGroups"), workspace: after("workspaces") }
    }
}

/// Where a script's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptText {
    /// In the manifest or beside it.
    Here(String),
    /// To be fetched.
    Download(Blob),
    /// On a share that is mounted there, below it.
    Share {
        /// Where the share is mounted.
        mount: HomePath,
        /// The file.
        file: HomePath,
    },
}

impl ScriptText {
    fn source(&self, home: &TargetPath) -> ScriptSource {
        match self {
            Self::Here(text) => ScriptSource::Text(text.clone()),
            Self::Download(blob) => ScriptSource::Download(blob.clone()),
            Self::Share { mount, file } => ScriptSource::Share { file: file.within(home), mount: mount.within(home) },
        }
    }
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
            ("CI_WORKSPACE".to_owned(), self.place.workspace.clone()),
            ("CI_RESOURCE_GROUP".to_owned(), self.place.resource_group.clone()),
        ]);
        env.insert("CI_NAME".into(), context.name.map(ToString::to_string).unwrap_or_default());
        let source = self.text.source(context.home);
        let identity = source.identity();
        let digest = Sha256::of_parts([name, identity.as_str()].into_iter().chain(self.argv.iter().map(String::as_str)));
        let natural = match self.user {
            Owner::Root => TargetPath::root(),
            Owner::User(_) => context.home.clone(),
        };
        let run = ScriptRun {
            name: name.into(),
            source,
            argv: self.argv.clone(),
            env,
            timeout: self.timeout,
            directory: self.directory.as_ref().map_or(natural, |directory| directory.within(context.home)),
            user: self.user.clone(),
            trigger: self.trigger,
            again: self.again,
            creates: self.creates.as_ref().map(|path| path.within(context.home)),
            unless: self.unless.clone(),
            on_failure: self.on_failure,
            gate: self.gate,
            on_escape: self.on_escape,
            logs: self
                .logs
                .as_ref()
                .map(|(path, mount)| ShareFolder { path: path.within(context.home), mount: mount.within(context.home) }),
            digest,
        };
        Ok(vec![Spec::Script(Script { run })])
    }
}

#[cfg(test)]
mod tests {
    use super::AzurePlace;

    #[test]
    fn an_id_says_where_azure_has_a_machine() {
        let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/lab-rg/providers/Microsoft";
        let place = |id: &str| AzurePlace::of(&format!("{group}.{id}"));
        let of = |workspace: &str| AzurePlace { resource_group: "lab-rg".into(), workspace: workspace.into() };
        assert_eq!(place("MachineLearningServices/workspaces/lab-ws/computes/lab-b"), of("lab-ws"));
        assert_eq!(place("Compute/virtualMachines/lab-b"), of(""));
    }
}
