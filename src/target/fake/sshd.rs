//! The effective policy of a machine's sshd, as `sshd -T` prints it: the first value of a keyword counts, else its default.

use super::{Tree, path};
use crate::target::ProbeError;
use crate::target::sshd::{ADD_UP, matches};
use std::collections::BTreeMap;

/// What OpenSSH 9.2 answers where no file says anything (`sshd_config(5)`); of lists, one good and one weak algorithm.
const DEFAULTS: [(&str, &str); 22] = [
    ("permitrootlogin", "without-password"),
    ("passwordauthentication", "yes"),
    ("kbdinteractiveauthentication", "yes"),
    ("pubkeyauthentication", "yes"),
    ("authenticationmethods", "any"),
    ("permitemptypasswords", "no"),
    ("permituserenvironment", "no"),
    ("hostbasedauthentication", "no"),
    ("ignorerhosts", "yes"),
    ("strictmodes", "yes"),
    ("maxauthtries", "6"),
    ("logingracetime", "120"),
    ("maxstartups", "10:30:100"),
    ("loglevel", "INFO"),
    ("x11forwarding", "no"),
    ("authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2"),
    ("authorizedkeyscommand", "none"),
    ("trustedusercakeys", "none"),
    ("kexalgorithms", "curve25519-sha256,ecdh-sha2-nistp256"),
    ("ciphers", "aes256-gcm@openssh.com,aes128-cbc"),
    ("macs", "hmac-sha2-256-etm@openssh.com,hmac-sha1"),
    ("hostkeyalgorithms", "ssh-ed25519,ecdsa-sha2-nistp256"),
];

const CONFIG: &str = "/etc/ssh/sshd_config";
const DROP_INS: &str = "/etc/ssh/sshd_config.d";

/// The answer of `sshd -T`.
pub(super) fn effective(tree: &Tree) -> Result<String, ProbeError> {
    let folder = path(DROP_INS)?;
    let mut included = Vec::new();
    for name in tree.list(&folder).unwrap_or_default().iter().filter(|name| name.rsplit_once('.').is_some_and(|(_, end)| end == "conf")) {
        included.push(tree.text(&path(&format!("{DROP_INS}/{name}"))?));
    }
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    for line in tree.text(&path(CONFIG)?).lines() {
        let more: Vec<&str> =
            if line.starts_with("Include ") { included.iter().flat_map(|text| text.lines()).collect() } else { vec![line] };
        for (keyword, value) in more.iter().filter_map(|line| line.trim().split_once(' ')).filter(|(keyword, _)| !keyword.starts_with('#'))
        {
            let (keyword, value) = (keyword.to_lowercase(), value.trim());
            match settings.get_mut(&keyword) {
                Some(all) if ADD_UP.contains(&keyword.as_str()) => *all = format!("{all} {value}"),
                Some(_) => {}
                None => drop(settings.insert(keyword, value.to_owned())),
            }
        }
    }
    for (keyword, usual) in DEFAULTS {
        let value = settings.entry(keyword.to_owned()).or_insert_with(|| usual.to_owned());
        // `-` takes from the usual list what it names.
        if let Some(without) = value.strip_prefix('-') {
            let goes = |name: &&str| without.split(',').any(|pattern| matches(pattern, name));
            *value = usual.split(',').filter(|name| !goes(name)).collect::<Vec<_>>().join(",");
        }
    }
    Ok(settings.iter().flat_map(|(keyword, value)| [keyword, " ", value, "\n"]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::Node;

    #[test]
    fn the_first_value_counts() {
        let mut tree = Tree::default();
        let mut put = |at: &str, text: &str| tree.put(&path(at).unwrap(), Node::file(text, 0o644, (0, 0))).unwrap();
        put(CONFIG, "# comment\nPermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\nMaxAuthTries 9\n");
        put("/etc/ssh/sshd_config.d/00-a.conf", "PermitRootLogin no\nMaxAuthTries 4\n");
        put("/etc/ssh/sshd_config.d/00-a.conf.bak", "X11Forwarding yes\n");
        let said = effective(&tree).unwrap();
        assert!(said.contains("permitrootlogin yes\n") && said.contains("maxauthtries 4\n") && said.contains("x11forwarding no\n"));
    }
}
