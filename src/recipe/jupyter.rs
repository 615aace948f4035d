//! `jupyter`: JupyterLab as a service of the owner, on loopback, with a token that only the owner can read.

use super::environment::{PYTHON_ENVIRONMENTS, Place, python};
use super::{Answer, Context, Item, Question, Recipe};
use crate::model::{Facts, HomePath, Meta, Mode, Owner, ResourceId, TargetPath, UnitName};
use crate::problem::{Code, Problem};
use crate::resource::{Directory, File, Spec, Switch, Unit};
use crate::step::{Content, Extras};

/// `jupyter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jupyter {
    /// The folder that it shows.
    pub root: HomePath,
    /// Its port on loopback.
    pub port: u16,
    /// The interpreter of the target that it runs on, such as `3.11`; `None` for the distribution's own.
    pub python: Option<String>,
    /// Package index; `None` for PyPI.
    pub index: Option<String>,
}

/// JupyterLab's environment, apart from those of the user, so that nothing installed there can break it.
pub const JUPYTER_ENVIRONMENT: &str = "jupyter";

/// What it is made of; a range, so that the lock decides.
const REQUIREMENTS: [&str; 1] = ["jupyterlab>=4.4,<5"];

/// Where the agent's status page is, which JupyterLab serves to the extension that tells of stops.
const PAGES: &str = "/run/fitout";
/// Where JupyterLab finds that extension.
const EXTENSIONS: &str = "/etc/fitout/jupyter/labextensions";
/// Its files: how JupyterLab loads it, and what it does.
const NOTICE: [(&str, &str); 2] =
    [("package.json", include_str!("jupyter/package.json")), ("static/notice.js", include_str!("jupyter/notice.js"))];

impl Jupyter {
    fn version(&self, facts: &Facts) -> String {
        self.python.clone().unwrap_or_else(|| facts.python().to_owned())
    }

    fn question(&self, facts: &Facts) -> Question {
        Question::Python {
            requirements: REQUIREMENTS.map(Into::into).into(),
            version: self.version(facts),
            machine: facts.architecture.machine().into(),
            index: self.index.clone(),
        }
    }

    fn config(&self, root: &TargetPath) -> String {
        let config = serde_json::json!({
            "ServerApp": {
                "ip": "127.0.0.1", "port": self.port, "port_retries": 0, "open_browser": false, "root_dir": root.as_str(),
                "extra_static_paths": [PAGES],
            },
            "LabApp": {"extra_labextensions_path": [EXTENSIONS]},
        });
        format!("{config:#}\n")
    }

    fn unit(owner: &str, home: &TargetPath, prefix: &TargetPath) -> String {
        format!(
            "# {header}\n[Unit]\nDescription=JupyterLab of {owner}\nAfter=network.target\n\n[Service]\nUser={owner}\n\
             # The token is made once, by the owner, readable by the owner alone: `jupyter server list` shows it.\n\
             ExecStartPre=/bin/sh -c 'umask 077; mkdir -p {home}/.jupyter; [ -s {home}/.jupyter/token ] || od -An -N32 -tx1 /dev/urandom | tr -d \" \\n\" > {home}/.jupyter/token'\n\
             Environment=JUPYTER_TOKEN_FILE={home}/.jupyter/token\nWorkingDirectory={home}\n\
             ExecStart={prefix}/bin/jupyter lab --config=/etc/fitout/jupyter/server.json\n\
             Restart=on-failure\nRestartSec=5\n\n[Install]\nWantedBy=multi-user.target\n",
            header = crate::resource::HEADER,
        )
    }
}

impl Recipe for Jupyter {
    fn item(&self) -> Item {
        Item::section("jupyter")
    }

    fn questions(&self, facts: &Facts) -> Vec<Question> {
        vec![self.question(facts)]
    }

    fn lower(&self, context: &Context<'_>) -> Result<Vec<Spec>, Vec<Problem>> {
        let fail = |text: String| vec![Problem::general(Code::BadValue, text)];
        let path = |text: &str| TargetPath::parse(text).map_err(|e| fail(e.0));
        let Some(owner) = context.owner else {
            return Err(fail("jupyter runs as the owner, but the manifest names no user".into()));
        };
        let Some(Answer::Python(answer)) = context.answers.get(&self.question(context.facts)) else {
            return Err(fail("jupyter was not resolved".into()));
        };
        let prefix = path(&format!("{PYTHON_ENVIRONMENTS}/{JUPYTER_ENVIRONMENT}"))?;
        let place = Place { name: JUPYTER_ENVIRONMENT, prefix: &prefix, owner: Owner::Root, extras: Extras::Keep };
        let environment = python(place, &self.version(context.facts), answer).map_err(|e| fail(e.0))?;
        let unit = UnitName::parse("fitout-jupyter.service").map_err(|e| fail(e.0))?;
        let root = self.root.within(context.home);
        let user = ResourceId::new("user", owner);
        let environment = Spec::PythonEnvironment(environment);
        let file = |at: &str, text: String| -> Result<File, Vec<Problem>> {
            Ok(File::new(path(at)?, Content::Inline(text.into()), Meta::root(Mode::FILE)))
        };
        let config = file("/etc/fitout/jupyter/server.json", self.config(&root))?;
        let service = file("/etc/systemd/system/fitout-jupyter.service", Self::unit(owner.as_str(), context.home, &prefix))?;
        let reads: Vec<File> = [config, service].map(|file| File { read_by: vec![unit.clone()], ..file }).into();
        // JupyterLab reads these with each page: another text of theirs is no reason to end anybody's kernels.
        let notice = NOTICE.map(|(name, text)| file(&format!("{EXTENSIONS}/fitout-notice/{name}"), text.into()));
        let notice = notice.into_iter().collect::<Result<Vec<_>, _>>()?;
        let files = [reads.clone(), notice].concat();
        let requires = [environment.id(), user.clone()].into_iter().chain(files.iter().map(File::id)).collect();
        let folder = Directory::new(root, Meta::of(Owner::User(owner.clone()), Mode::OPEN), vec![user]);
        let unit = Unit { enabled: Some(Switch::On), active: Some(Switch::On), requires, reads, ..Unit::new(unit) };
        let folder = (!self.root.within(context.home).eq(context.home)).then_some(Spec::Directory(folder));
        Ok(std::iter::once(environment).chain(files.into_iter().map(Spec::File)).chain(folder).chain([Spec::Unit(unit)]).collect())
    }
}
