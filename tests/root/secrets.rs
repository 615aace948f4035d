//! Twelve kinds of secrets on every way on which one could get out: as what shares are mounted with, in what programs print, written by mistake
//! into a manifest. Everything is done at the greatest verbosity, and everything is looked through afterwards.

use crate::support::{Fitout, Root, Run, holders};
use std::fs;
use std::process::Stdio;

/// A kind of secret: its name, the secret, and a word of it that stands nowhere else.
const KINDS: [(&str, &str, &str); 12] = [
    ("sas-url", "https://labstorage.blob.core.windows.net/c?sv=2024-01-01&sp=r&se=2027-01-01&sig=Q2FuYXJ5MDE%3D", "Q2FuYXJ5MDE"),
    ("bare-sas", "?sv=2024-01-01&ss=b&srt=co&sp=r&sig=Q2FuYXJ5MDI%3D", "Q2FuYXJ5MDI"),
    ("encoded-sas", "sv%3D2024-01-01%26ss%3Db%26sig%3DQ2FuYXJ5MDM%253D", "Q2FuYXJ5MDM"),
    ("split-sas", "sv=2024-01-01&sp=r&\nsig=Q2FuYXJ5MDQ%3D", "Q2FuYXJ5MDQ"),
    ("account-key", "Q2FuYXJ5MDVBY2NvdW50S2V5Q2FuYXJ5QWNjb3VudEtleUNhbmFyeUFjY291bnRLZXlDYW5hcnk5OTk5OTk5OQ==", "Q2FuYXJ5MDV"),
    (
        "connection-string",
        "DefaultEndpointsProtocol=https;AccountName=labstorage;AccountKey=Q2FuYXJ5MDY+/A9==;EndpointSuffix=core.windows.net",
        "Q2FuYXJ5MDY",
    ),
    ("bearer", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.Q2FuYXJ5MDc.c2lnbmF0dXJl", "Q2FuYXJ5MDc"),
    ("url-password", "https://ada:Canary08hunter2@pypi.example.org/simple", "Canary08hunter2"),
    (
        "private-key",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIQ2FuYXJ5MDlQcml2YXRlS2V5Q2FuYXJ5UHJpdmF0\n-----END PRIVATE KEY-----",
        "Q2FuYXJ5MDlQ",
    ),
    ("hf-token", "hf_Canary10abcdefghijklmnopqrstuvwx", "Canary10abc"),
    ("wandb-key", "WANDB_API_KEY=ca9a2111ca9a2111ca9a2111ca9a2111ca9a2111", "ca9a2111ca9a"),
    ("pip-token", "pypi-AgEICanary12cHlwaS5vcmcCJGFiY2RlZmdoLWlqa2w", "Canary12cHl"),
];

fn assert_silent<'a>(where_: &str, said: impl IntoIterator<Item = &'a str>) {
    for text in said {
        for (kind, _, word) in KINDS {
            assert!(!text.contains(word), "{where_}: {kind} was told:\n{text}");
        }
    }
}

fn loud(fitout: &Fitout<'_>, verb: &[&str]) -> Run {
    Run::of(fitout.command(verb).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"))
}

fn put_secrets(root: &Root) {
    for (kind, secret, _) in KINDS {
        root.write(&format!("/run-secrets/{kind}"), &format!("{secret}\n"));
    }
}

/// Where in the root a secret is, beside where it came from.
fn places(root: &Root, word: &str) -> Vec<String> {
    holders(root.path(), word).into_iter().filter(|name| !name.starts_with("run-secrets/")).collect()
}

#[test]
fn as_credentials_they_are_only_where_they_belong() {
    let root = Root::fresh();
    let share = |(kind, _, _): &(&str, &str, &str)| {
        format!(
            "  - {{name: {kind}, driver: blobfuse2, account: labstorage, container: data, mount: /mnt/{kind}, \
             credential: {{sas: {{file: /run-secrets/{kind}}}}}, cache: {{path: /mnt/resource/{kind}, limit: 5GB}}}}\n"
        )
    };
    let tiny = "packages:\n  repositories: [{name: tiny, uri: \"file:/srv/repository\", suite: ./, signed_by: tiny.asc}]\n";
    let text = format!("{tiny}shares:\n{}", KINDS.iter().map(share).collect::<String>());
    let fitout = Fitout::new(&root, &text);
    // Without any of them, then with all, then with all of them changed behind its back.
    let mut said = vec![loud(&fitout, &["plan"]), loud(&fitout, &["apply"])];
    said[1].ended(1);
    put_secrets(&root);
    said.extend(["plan", "apply", "verify"].map(|verb| loud(&fitout, &[verb])));
    for (kind, _, _) in KINDS {
        root.write(&format!("/run-secrets/{kind}"), "another\n");
    }
    said.extend(["plan", "verify"].map(|verb| loud(&fitout, &[verb])));
    put_secrets(&root);
    said.extend(["status", "why", "history"].map(|verb| Run::of(fitout.question(&[verb]).env("RUST_LOG", "trace"))));
    for run in &said {
        assert!(!run.stderr.contains("panicked"), "{run:?}");
        assert_silent("a run", [run.stdout.as_str(), run.stderr.as_str()]);
    }
    for (kind, _, word) in KINDS {
        let at = format!("etc/fitout/shares/{kind}.yaml");
        let places = places(&root, word);
        assert!(places.iter().all(|place| *place == at), "{kind} is in {places:?}");
        if !places.is_empty() {
            assert_eq!(root.mode(&at), 0o600, "{at}");
        }
    }
    assert!(root.at("/etc/fitout/shares/bare-sas.yaml").exists(), "{said:#?}");
}

/// Prints what it must not, to both streams and in its last words.
const INDISCREET: &str = "cat /run-secrets/*; cat /run-secrets/* >&2; exit 3\n";

#[test]
fn what_programs_print_of_them_is_held_back() {
    let root = Root::fresh();
    put_secrets(&root);
    let text = "setup_scripts: {creation_script: {path: setup.sh}}\nchecks: [{name: indiscreet, command: [sh, -c, \"cat /run-secrets/*; cat /run-secrets/* >&2; exit 3\"]}]\n";
    let fitout = Fitout::new(&root, text);
    fs::write(fitout.beside("setup.sh"), INDISCREET).unwrap();
    let runs =
        [loud(&fitout, &["plan"]), loud(&fitout, &["apply"]), loud(&fitout, &["apply", "--progress", "json"]), loud(&fitout, &["verify"])];
    runs[1].ended(1);
    let more = ["status", "why"].map(|verb| Run::of(fitout.question(&[verb]).env("RUST_LOG", "trace")));
    for run in runs.iter().chain(&more) {
        assert_silent("a run", [run.stdout.as_str(), run.stderr.as_str()]);
    }
    for (kind, _, word) in KINDS {
        assert_eq!(places(&root, word), Vec::<String>::new(), "{kind}");
    }
    // What was held back is the secret, not what was said beside it.
    let logs = holders(&root.at("/var/log/fitout/scripts"), "AccountName=labstorage;AccountKey=[redacted];");
    assert_eq!(logs.len(), 1, "{logs:?}");
}

#[test]
fn what_runs_meanwhile_has_none_in_its_words_or_its_environment() {
    let root = Root::fresh();
    put_secrets(&root);
    let fitout = Fitout::new(&root, "setup_scripts: {creation_script: {path: setup.sh}}\n");
    fs::write(fitout.beside("setup.sh"), "touch /srv/began; sleep 300\n").unwrap();
    let mut apply = fitout.command(&["apply"]);
    for (kind, secret, _) in KINDS {
        apply.env(kind.replace('-', "_").to_uppercase(), secret);
    }
    let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    crate::support::wait_until("the script runs", || root.at("/srv/began").exists());
    let children = root.inhabitants();
    assert!(!children.is_empty());
    for child in children {
        for file in ["cmdline", "environ"] {
            let text = String::from_utf8_lossy(&fs::read(child.join(file)).unwrap_or_default()).into_owned();
            let command = String::from_utf8_lossy(&fs::read(child.join("cmdline")).unwrap_or_default()).into_owned();
            assert_silent(&format!("{file} of {command}"), [text.as_str()]);
        }
    }
    apply.kill().unwrap();
    apply.wait().unwrap();
}

#[test]
fn written_into_a_manifest_by_mistake_they_are_not_repeated() {
    let root = Root::bare();
    let quoted = |secret: &str| serde_json::to_string(secret).unwrap();
    for (kind, secret, _) in KINDS {
        let secret = quoted(secret);
        for text in [
            format!(
                "shares: [{{name: a, driver: cifs, account: labstorage, share: code, mount: /mnt/a, credential: {{account_key: {secret}}}}}]\n"
            ),
            format!("shares: [{{name: a, driver: cifs, account: labstorage, share: code, mount: /mnt/a, credential: {secret}}}]\n"),
            format!(
                "shares: [{{name: a, driver: cifs, account: labstorage, share: code, mount: /mnt/a, credential: {{sas: {{file: {secret}}}}}}}]\n"
            ),
            format!("user: {{name: ada, password: {secret}}}\n"),
            format!("pasword: {secret}\n"),
            format!("network: {{proxy: {secret}}}\n"),
            format!("network: {{mirrors: {{pypi: {secret}}}}}\n"),
            format!("conda: {{channels: [{secret}]}}\n"),
            format!("packages: {{repositories: [{{name: a, uri: {secret}, suite: ./, signed_by: a.asc}}]}}\n"),
        ] {
            let fitout = Fitout::new(&root, &text);
            for verb in ["validate", "plan", "apply"] {
                let mut command = crate::support::command(env!("CARGO_BIN_EXE_fitout"));
                command.arg(verb).arg("-f").arg(fitout.manifest()).args(["-o", "json"]).env("RUST_LOG", "trace");
                if verb != "validate" {
                    command.arg("--root").arg(root.path()).arg("--cache").arg(fitout.beside("cache")).arg("--offline");
                }
                let run = Run::of(&mut command);
                assert_silent(
                    &format!("{verb} of {kind} in `{}`", text.split('"').next().unwrap()),
                    [run.stdout.as_str(), run.stderr.as_str()],
                );
            }
        }
    }
}
