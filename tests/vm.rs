//! The long story of an image: baked, checked in every format, booted in QEMU with a NoCloud seed, logged into, rebooted; and booted
//! once more as another machine. Minutes under software emulation: `make test-vm` runs it, plain `cargo test` does not.
//!
//! `FITOUT_VM_IMAGES` names a folder of images baked before, to leave out the bake; `FITOUT_QEMU` another QEMU; `FITOUT_VM_ACCEL` an
//! accelerator other than `tcg`. Waits have generous limits and no sleeps that a result depends on.

#![cfg(test)]
#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "tests run tools of the host, and say how far they are")]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const NAME: &str = "debian-12-minimal";
/// A boot under software emulation on a busy machine of two cores takes two minutes.
const BOOT_LIMIT: Duration = Duration::from_mins(15);
/// A command on such a guest takes seconds.
const SSH_LIMIT: Duration = Duration::from_mins(3);
/// How often something is looked at again.
const LOOK: Duration = Duration::from_millis(200);
/// What QEMU's firmware is called by Debian and Ubuntu.
const FIRMWARE: &str = "/usr/share/OVMF";
/// Larger than the image: the root must grow into it.
const DISK: &str = "6G";

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a tool of the host that must succeed; tells its standard output.
fn tool(argv: &[&str]) -> String {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap_or_else(|e| panic!("{}: {e}", argv[0]));
    assert!(output.status.success(), "{argv:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Asks again until there is an answer, or the limit has passed.
fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        sleep(LOOK);
    }
}

/// The folder of the images, baked now if it is not given.
fn images(work: &Path) -> PathBuf {
    if let Some(given) = std::env::var_os("FITOUT_VM_IMAGES") {
        return given.into();
    }
    let out = work.join("images");
    let definition = tree().join(format!("images/{NAME}.yaml"));
    let bake = [env!("CARGO_BIN_EXE_fitout"), "bake", "--progress=plain", "--out", out.to_str().unwrap(), definition.to_str().unwrap()];
    kill_a_bake(&bake, &out);
    let began = Instant::now();
    tool(&bake);
    eprintln!("baked in {:.0} s", began.elapsed().as_secs_f64());
    assert!(leftovers(&out).is_empty(), "{:?}", leftovers(&out));
    out
}

/// Folders of bakes that ended without sweeping.
fn leftovers(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(".bake-")).collect()
}

/// Begins a bake and kills it while packages are unpacked: nothing is at a final name, mounted or at work.
fn kill_a_bake(bake: &[&str], out: &Path) {
    let mut begun = Command::new(bake[0]).args(&bake[1..]).stderr(Stdio::null()).spawn().unwrap();
    until(BOOT_LIMIT, "packages are unpacked", || leftovers(out).first()?.join("root/usr/bin/apt-get").exists().then_some(()));
    begun.kill().unwrap();
    begun.wait().unwrap();
    let folder = out.to_str().unwrap();
    let at_work = || fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    until(SSH_LIMIT, "its tools end", || (!at_work().any(|line| text(&line).contains(folder))).then_some(()));
    assert!(!fs::read_to_string("/proc/mounts").unwrap().contains(folder));
    let visible = fs::read_dir(out).unwrap().filter(|entry| !entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!((visible.count(), leftovers(out).len()), (0, 1));
}

fn check_formats(images: &Path) {
    let file = |end: &str| images.join(format!("{NAME}.{end}")).to_str().unwrap().to_owned();
    let (raw, qcow2, vhd) = (file("raw"), file("qcow2"), file("vhd"));
    assert!(tool(&["qemu-img", "check", &qcow2]).contains("No errors were found"));
    tool(&["qemu-img", "compare", "-f", "raw", "-F", "qcow2", &raw, &qcow2]);
    tool(&["qemu-img", "compare", "-f", "raw", "-F", "vpc", &raw, &vhd]);
    let (disk, whole) = (fs::metadata(&raw).unwrap().len(), fs::metadata(&vhd).unwrap().len());
    assert_eq!((disk % (1 << 20), whole - disk), (0, 512));
    let mut footer = [0; 512];
    let mut vhd = File::open(&vhd).unwrap();
    vhd.seek(SeekFrom::Start(disk)).unwrap();
    vhd.read_exact(&mut footer).unwrap();
    let sum: u32 = footer.iter().enumerate().filter(|(at, _)| !(64..68).contains(at)).map(|(_, byte)| u32::from(*byte)).sum();
    assert_eq!((&footer[..8], &footer[64..68]), (b"conectix".as_slice(), (!sum).to_be_bytes().as_slice()));
}

/// A machine in QEMU, killed when it is dropped.
struct Vm {
    qemu: Child,
    serial: PathBuf,
    folder: PathBuf,
    owner: &'static str,
    port: u16,
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.qemu.kill().ok();
        self.qemu.wait().ok();
    }
}

/// A NoCloud volume that names the machine and its owner, with the owner's key.
fn seed(folder: &Path, name: &str, owner: &str) -> String {
    let key = folder.join("key");
    tool(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let public = fs::read_to_string(folder.join("key.pub")).unwrap();
    let (meta, user) = (folder.join("meta-data"), folder.join("user-data"));
    fs::write(&meta, format!("instance-id: {name}\nlocal-hostname: {name}\n")).unwrap();
    let users = format!("#cloud-config\nusers:\n  - name: {owner}\n    ssh_authorized_keys:\n      - {}\n", public.trim());
    fs::write(&user, users).unwrap();
    let volume = folder.join("seed.img").to_str().unwrap().to_owned();
    tool(&["mkfs.vfat", "-n", "CIDATA", "-C", &volume, "1024"]);
    tool(&["mcopy", "-i", &volume, meta.to_str().unwrap(), user.to_str().unwrap(), "::"]);
    volume
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Vm {
    fn start(images: &Path, work: &Path, name: &'static str, owner: &'static str) -> Self {
        let folder = work.join(name);
        fs::create_dir(&folder).unwrap();
        let seed = seed(&folder, name, owner);
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (disk, vars, serial) = (at("disk.qcow2"), at("vars.fd"), at("serial.log"));
        let image = fs::canonicalize(images.join(format!("{NAME}.qcow2"))).unwrap();
        tool(&["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.to_str().unwrap(), &disk, DISK]);
        fs::copy(format!("{FIRMWARE}/OVMF_VARS_4M.fd"), &vars).unwrap();
        let (port, accelerator) = (free_port(), std::env::var("FITOUT_VM_ACCEL").unwrap_or_else(|_| "tcg,thread=multi".into()));
        let qemu = Command::new(std::env::var("FITOUT_QEMU").unwrap_or_else(|_| "qemu-system-x86_64".into()))
            .args(["-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none"])
            .args(["-accel", &accelerator, "-device", "virtio-rng-pci", "-serial", &format!("file:{serial}")])
            .args(["-drive", &format!("if=pflash,format=raw,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd")])
            .args(["-drive", &format!("if=pflash,format=raw,file={vars}")])
            .args(["-drive", &format!("if=virtio,format=qcow2,file={disk}")])
            .args(["-drive", &format!("if=virtio,format=raw,readonly=on,file={seed}")])
            .args(["-netdev", &format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22"), "-device", "virtio-net-pci,netdev=net"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { qemu, serial: serial.into(), folder, owner, port }
    }

    fn console(&self) -> String {
        text(&fs::read(&self.serial).unwrap_or_default())
    }

    /// Waits until the console has said this so many times.
    fn wait_for(&mut self, line: &str, times: usize) {
        let began = Instant::now();
        let end = began + BOOT_LIMIT;
        while self.console().matches(line).count() < times {
            let ended = self.qemu.try_wait().unwrap();
            let console = self.console();
            let last: Vec<&str> = console.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
            let failed = ["SetupFailed", "UserSetupFailed", "Unusable"].iter().any(|phase| console.contains(&format!("is {phase}")));
            assert!(!failed, "the machine was not set up:\n{}", last.join("\n"));
            assert!(ended.is_none(), "QEMU ended ({ended:?}) before `{line}`:\n{}", last.join("\n"));
            assert!(Instant::now() < end, "`{line}` was not said {times} times:\n{}", last.join("\n"));
            sleep(LOOK);
        }
        eprintln!("`{line}` after {:.0} s", began.elapsed().as_secs_f64());
    }

    fn ssh(&self, command: &str) -> Output {
        let (key, hosts) = (self.folder.join("key"), self.folder.join("known_hosts"));
        // The first key that is seen is taken, and no other afterwards.
        let known = format!("UserKnownHostsFile={}", hosts.display());
        let options =
            ["BatchMode=yes", "StrictHostKeyChecking=accept-new", "ConnectTimeout=30", "LogLevel=ERROR", "IdentitiesOnly=yes", &known];
        let mut ssh = Command::new("ssh");
        ssh.args(options.iter().flat_map(|option| ["-o", option])).arg("-F/dev/null").arg("-i").arg(key);
        ssh.args(["-p", &self.port.to_string(), &format!("{}@127.0.0.1", self.owner), command]).stdin(Stdio::null());
        ssh.output().unwrap()
    }

    /// What a command on the machine prints; it must succeed.
    fn says(&self, command: &str) -> String {
        let output = self.ssh(command);
        assert!(output.status.success(), "{command}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Waits until the owner can log in.
    fn log_in(&self) {
        until(SSH_LIMIT, "login of the owner", || self.ssh("true").status.success().then_some(()));
    }

    /// What Debian does when a kernel is updated: its entry replaces that of the bake, and the next start must use it.
    fn update_kernel(&self) {
        self.says("sudo /etc/kernel/postinst.d/zz-systemd-boot $(uname -r) /boot/vmlinuz-$(uname -r)");
        let entries = self.says("sudo sh -c 'grep -l . /efi/loader/entries/*; grep sort-key /efi/loader/entries/*'");
        assert_eq!((entries.matches(".conf").count(), entries.contains("debian")), (1, true), "{entries}");
    }

    /// Nothing is left to do, nothing waits, nothing failed.
    fn assert_settled(&self) {
        let plan: serde_json::Value = serde_json::from_str(&self.says("sudo fitout plan -o json --detailed-exitcode")).unwrap();
        let waiting = plan["resources"].as_array().unwrap().iter().filter(|one| !one["deferred"].as_array().unwrap().is_empty());
        assert_eq!(waiting.count(), 0, "{plan:#}");
        assert_eq!(self.says("systemctl --failed --no-legend --plain"), "");
    }

    fn identity(&self) -> [String; 2] {
        [self.says("cat /etc/machine-id"), self.says("cat /etc/ssh/ssh_host_ed25519_key.pub")]
    }

    fn power_off(&mut self) {
        // The connection may break before the command's end is told.
        self.ssh("sudo systemctl poweroff");
        let ended = until(BOOT_LIMIT, "power off", || self.qemu.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
    }
}

#[test]
#[ignore = "takes minutes; `make test-vm` runs it"]
fn an_image_becomes_two_machines() {
    let work = tempfile::Builder::new().prefix("fitout-vm-").tempdir_in("/var/tmp").unwrap();
    let images = images(work.path());
    check_formats(&images);

    let mut first = Vm::start(&images, work.path(), "vm-a", "alice");
    first.wait_for("fitout: vm-a is Running", 1);
    first.log_in();
    assert_eq!(first.says("hostname"), "vm-a");
    assert_eq!(first.says("cat /var/lib/fitout-marks/creation"), "vm-a alice");
    let boot = first.says("cat /proc/sys/kernel/random/boot_id");
    assert_eq!(first.says("cat /var/lib/fitout-marks/startup"), boot);
    let root: u64 = first.says("df --output=size -B1 / | tail -1").parse().unwrap();
    assert!(root > 5 << 30, "the root has {root} bytes of a disk of {DISK}");
    first.assert_settled();
    let identity = first.identity();
    first.update_kernel();

    // The connection may break before the command's end is told.
    first.ssh("sudo systemctl reboot");
    first.wait_for("fitout: vm-a is Running", 2);
    first.log_in();
    assert_eq!(first.says("cat /var/lib/fitout-marks/creation"), "vm-a alice");
    let second_boot = first.says("cat /proc/sys/kernel/random/boot_id");
    assert_eq!(first.says("cat /var/lib/fitout-marks/startup"), format!("{boot}\n{second_boot}"));
    assert_eq!(first.identity(), identity);
    first.assert_settled();
    first.power_off();

    let mut other = Vm::start(&images, work.path(), "vm-b", "bob");
    other.wait_for("fitout: vm-b is Running", 1);
    other.log_in();
    let others = other.identity();
    assert!(others.iter().zip(&identity).all(|(one, other)| one != other), "{identity:?} {others:?}");
    other.power_off();
}
