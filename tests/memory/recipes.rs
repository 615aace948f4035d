//! What each convenience of the manifest becomes, as snapshots: plain resources in the order of work, files with their text.

use crate::pipeline::order;
use fitout::graph::{Graph, Node};
use fitout::resource::{File, Ownership, Spec};
use fitout::step::{Ability, Content};
use fitout::target::fake::{Behaviour, Fake};
use std::collections::BTreeMap;

const LIVE: [Ability; 4] = [Ability::Files, Ability::Exec, Ability::Instance, Ability::RunningSystem];

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn file(file: &File) -> String {
    let text = match &file.content {
        Content::Inline(text) => text.to_string(),
        Content::Secret { template, refs } => format!("{template}(secrets: {})\n", joined(refs)),
        Content::Blob(blob) => format!("(download: {})\n", blob.url),
    };
    let proof = file.proof.as_ref().map(|proof| format!("proof: {proof:?}\n")).unwrap_or_default();
    let readers = if file.read_by.is_empty() { String::new() } else { format!("read by: {}\n", joined(&file.read_by)) };
    let body = text.lines().fold(String::new(), |all, line| all + "    " + line + "\n");
    format!("{} {} {:?}\n{proof}{readers}{body}", file.meta.mode, file.meta.owner, file.policy)
}

/// Everything but what a unit reads, which stands with the files.
fn other(spec: &Spec) -> String {
    if let Spec::File(found) = spec {
        return file(found);
    }
    if let Spec::Unit(unit) = spec {
        return format!("enabled {:?}, active {:?}, on change {:?}\n", unit.enabled, unit.active, unit.on_change);
    }
    format!("{spec:#?}\n")
}

/// What every resource has and no recipe gives.
/// What is printed, without the past of what has none: it says nothing, wherever it stands.
fn without_past(text: &str) -> String {
    let past = format!("\nownership: {:#?},", Ownership::default());
    [4, 8, 12, 16].iter().fold(text.to_owned(), |text, depth| text.replace(&past.replace('\n', &format!("\n{}", " ".repeat(*depth))), ""))
}

fn page(graph: &Graph) -> String {
    let one = |node: &Node| {
        let requires: Vec<String> = node.requires.iter().map(|n| graph.nodes[*n].spec.id().to_string()).collect();
        let requires = if requires.is_empty() { String::new() } else { format!("requires: {}\n", requires.join(" ")) };
        format!("== {}\n{requires}{}\n", node.spec.id(), other(&node.spec))
    };
    without_past(&graph.nodes.iter().map(one).collect::<String>())
}

/// What a manifest becomes on a fresh Debian 12, but for the owner's account, which most of them need.
fn becomes(manifest: &str) -> String {
    let fake = Fake::debian(&LIVE, Behaviour::default()).unwrap();
    let beside = [
        ("ada.pub", include_str!("../../manifests/keys/quickstart.pub")),
        ("lab.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
        ("lab.yml", "dependencies: [python=3.11]\n"),
    ];
    let beside: BTreeMap<String, String> = beside.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    page(&order(manifest, &beside, &fake).unwrap_or_else(|problems| panic!("{}", problems.join("\n"))).graph)
}

macro_rules! snapshots {
    ($($name:ident: $manifest:expr;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(becomes($manifest));
            }
        )*
    };
}

snapshots! {
    hostname: "name: GPU-lab-b";
    owner: "user: {name: ada, sudo: true, groups: [docker], shell: /bin/zsh, authorized_keys: [ada.pub]}";
    packages: "packages: {repositories: [{name: lab, uri: \"https://apt.example.com\", suite: bookworm, components: [main, extra], signed_by: lab.asc}], install: [git, \"blobfuse2=2.5.*\"]}";
    flat_repository: "packages: {repositories: [{name: lab, uri: \"http://apt.example.com\", suite: ./, signed_by: lab.asc}]}";
    files: "user: {name: ada}\nfiles: [{path: /etc/motd, content: \"hello\\n\", mode: \"0600\"}, {path: ~/.config/a, content: a, create_only: true}, {path: /srv/b, content: b, owner: user}]";
    units: "units: [{name: docker.service, enabled: true, active: true}, {name: cups.service, enabled: false}]";
    ssh_enabled: "user: {name: ada}\nssh_public_access_enabled: true";
    ssh_disabled: "user: {name: ada}\nssh_public_access_enabled: false";
    cuda_redist: "network: {mirrors: {nvidia: 'https://mirror.example.org'}}\ngpu:\n  cuda:\n    version: '12.4.1'\n    source: redist\n    components: [cusolver]\n    also: [{version: '13.0', source: pypi}]\n  cudnn: {version: '9.13.0'}\n  nccl: {version: '2.21.5'}";
    cuda: "gpu: {cuda: {version: \"13.0\", source: pypi, components: [nvcc, cudart, nvrtc]}}";
    python_environment: "environments: [{name: quick, from: {python: \"3.11\", requirements: [numpy, ipykernel]}, owner: system, kernel: {name: quick, display_name: \"Python 3.11 (quick)\"}}]";
    conda_environment: "user: {name: ada}\nconda: {prefix: /anaconda}\nenvironments: [{name: lab, from: {conda: lab.yml}, owner: user, kernel: {}}]";
    jupyter: "user: {name: ada}\njupyter: {root: ~/notebooks, port: 8889}";
    file_share: "user: {name: ada}\nshares: [{name: code, driver: cifs, account: labstorage, share: code, mount: ~/cloudfiles/code, credential: {account_key: {file: /run/secrets/lab.key}}}]";
    blob_share: "user: {name: ada}\nshares: [{name: datasets, driver: blobfuse2, account: labstorage, container: datasets, mount: /mnt/datasets, access: read_only, credential: {managed_identity: {}}, cache: {path: /mnt/resource/blobfuse2, limit: 50GB}}]";
    disk_guards: "disk: {guards: [{mount: /, minimum_free: 5GB}, {mount: /mnt/data, minimum_free: 1GiB}]}";
    setup_scripts: "name: gpu-lab\nuser: {name: ada}\nsetup_scripts: {creation_script: {inline: \"echo 1\\n\", command: bash creation.sh main, timeout_minutes: 2}, startup_script: {inline: \"echo 2\\n\", timeout: 90s}}";
    checks: "user: {name: ada}\nenvironments: [{name: quick, from: {python: \"3.11\", requirements: [ipykernel]}, kernel: {}}]\nchecks: [{name: compiler, command: [nvcc, --version], stdout_contains: release, timeout: 30s}, {name: notebook, kernel: quick, runs: \"print(1)\"}]";
}
