//! A plan says the same however often it is asked for: no order of a table, no time, no number of a process is in it.

use crate::environments::channel;
use crate::modes::MANIFEST;
use crate::support::{Fitout, Root, Run, Server, command, must};
use std::fs;
use std::path::Path;

/// How often each is asked for.
const TIMES: usize = 100;

/// A file system of its own, so that nobody else's files show in how much is free.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        must(command("mount").args(["-t", "tmpfs", "-o", "size=1500m", "tmpfs"]).arg(disk.0.path()));
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        must(command("umount").arg(self.0.path()));
    }
}

fn plan(fitout: &Fitout<'_>, form: &str) -> String {
    let plain = fitout.command(&["plan"]);
    let mut asked = command(Path::new(plain.get_program()));
    asked.args(plain.get_args().map(|word| if word == "json" { form.as_ref() } else { word }));
    let run = Run::of(&mut asked);
    run.ended(0).stdout.clone()
}

#[test]
fn a_plan_is_the_same_a_hundred_times() {
    let disk = Disk::new();
    let root = Root::fresh_in(disk.0.path());
    let channel = tempfile::tempdir().unwrap();
    channel::write(channel.path(), &channel::tiny());
    let channel = Server::of(channel.path());
    let fitout = Fitout::new(&root, MANIFEST);
    fs::write(fitout.beside("environment.yml"), format!("channels: [\"{}\"]\ndependencies: [hello]\n", channel.url)).unwrap();
    root.write("/etc/lab.key", "c2VjcmV0\n");
    for form in ["json", "human"] {
        let first = plan(&fitout, form);
        assert!(first.contains("tiny-tool") && first.contains("conda"), "{first}");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..TIMES / 4).for_each(|_| assert_eq!(plan(&fitout, form), first)));
            }
        });
    }
}
