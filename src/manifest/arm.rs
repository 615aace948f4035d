//! Azure Resource Manager's names of fields: the same fields as those of `az ml`, in another spelling.

use super::{disposition, later};

/// Names of Azure Resource Manager that are not ours in another spelling, and ours.
const RENAMED: [(&str, &str); 9] = [
    ("vmSize", "size"),
    ("computeType", "type"),
    ("computeLocation", "location"),
    ("customServices", "custom_applications"),
    ("personalComputeInstanceSettings", "create_on_behalf_of"),
    ("adminPublicKey", "ssh_key_value"),
    ("sshPublicAccess", "ssh_public_access_enabled"),
    ("computeStartStop", "compute_start_stop"),
    ("scriptData", "path"),
];

/// Our name for a key of Azure Resource Manager, which writes `camelCase`.
pub fn renamed(key: &str, holder: &str, fields: &[&'static str]) -> Option<String> {
    if let Some((_, ours)) = RENAMED.iter().find(|(theirs, _)| *theirs == key) {
        return Some((*ours).to_owned());
    }
    let snake = snake_case(key);
    let known = fields.contains(&snake.as_str()) || disposition::is_recorded(holder, &snake) || later::awaited(holder, &snake).is_some();
    (snake != key && known).then_some(snake)
}

/// `idleTimeBeforeShutdown` as `idle_time_before_shutdown`, `enableOSPatching` as `enable_os_patching`.
pub fn snake_case(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    let mut out = String::new();
    for (index, c) in chars.iter().enumerate() {
        let above = index.checked_sub(1).and_then(|above| chars.get(above)).copied().unwrap_or('_');
        let starts = above.is_ascii_lowercase() || above.is_ascii_uppercase() && chars.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && starts {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn camels_become_snakes() {
        for (camel, snake) in [
            ("idleTimeBeforeShutdown", "idle_time_before_shutdown"),
            ("enableSSO", "enable_sso"),
            ("name", "name"),
            ("enableOSPatching", "enable_os_patching"),
        ] {
            assert_eq!(snake_case(camel), snake);
        }
    }
}
