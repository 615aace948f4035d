//! Files that a program of the machine judges before they are kept.

use super::support::{Fitout, Root};

fn rules(text: &str) -> String {
    format!("files: [{{path: /etc/sudoers.d/lab, content: \"{text}\\n\", mode: \"0440\", validate: [visudo, -cf, \"%s\"]}}]\n")
}

#[test]
fn what_a_program_does_not_accept_is_not_written() {
    let root = Root::fresh();
    let fitout = Fitout::new(&root, &rules("%lab ALL=(ALL) ALL"));
    fitout.apply();
    fitout.rewrite(&rules("%lab ALL=(ALL ALL"));
    let run = fitout.run(&["apply"]);
    let said = run.ended(1).stdout.clone();
    assert!(said.contains("does not accept it") && said.contains("syntax error") && said.contains("stays as it is"), "{said}");
    assert_eq!((root.read("/etc/sudoers.d/lab").as_str(), root.mode("/etc/sudoers.d/lab")), ("%lab ALL=(ALL) ALL\n", 0o440));
    assert_eq!(std::fs::read_dir(root.at("/var/lib/fitout/candidates")).unwrap().count(), 0);
    fitout.rewrite("files: [{path: /etc/lab.conf, content: x, validate: [no-such-program, \"%s\"]}]\n");
    assert!(fitout.run(&["apply"]).ended(1).stdout.contains("no-such-program"));
    assert!(!root.at("/etc/lab.conf").exists());
}
