//! Whom a file of sudoers(5) gives rights to, or counts among those who have some.

/// What begins a statement that gives nobody rights.
const OTHERS: [&str; 5] = ["Defaults", "Host_Alias", "Runas_Alias", "Cmnd_Alias", "Cmd_Alias"];
/// What begins a statement that gives lists of users names.
const USERS: &str = "User_Alias";

/// All who are named as users: each of those of a rule, and of an alias. A number is `#1000`, a group `%sudo`, an exception `!ada`.
#[must_use]
pub fn subjects(text: &str) -> Vec<String> {
    statements(text).iter().flat_map(|statement| of(statement)).collect()
}

/// The statements: lines joined where one goes on in the next, without remarks and what reads other files.
fn statements(text: &str) -> Vec<String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().map(|line| without_remark(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('@')).map(str::to_owned).collect()
}

/// A line up to its remark; a `#` before a digit begins a number instead.
fn without_remark(line: &str) -> &str {
    let is_remark = |at: &usize| !line[at + 1..].starts_with(|next: char| next.is_ascii_digit());
    let remark = line.match_indices('#').map(|(at, _)| at).find(is_remark);
    remark.map_or(line, |at| &line[..at])
}

fn of(statement: &str) -> Vec<String> {
    let word = statement.split(|next: char| !next.is_ascii_alphabetic() && next != '_').next().unwrap_or_default();
    if word == USERS {
        let lists = statement[USERS.len()..].split(':').filter_map(|alias| alias.split_once('='));
        return lists.flat_map(|(_, list)| list.split(',').map(name)).collect();
    }
    if OTHERS.contains(&word) {
        return Vec::new();
    }
    // The users come first; what stands after a space without a comma on either side is no user any more.
    let mut users = Vec::new();
    for part in statement.split(',') {
        let mut words = part.split_whitespace();
        users.extend(words.next().map(name));
        if words.next().is_some() {
            break;
        }
    }
    users
}

/// A user's name, as it is outside of quotes.
fn name(text: &str) -> String {
    text.trim().replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_named_as_a_user_is_found() {
        for (text, expected) in [
            ("# cloud-init\nDefaults:ada !requiretty\nada ALL=(ALL) NOPASSWD:ALL\n@includedir /x\n%sudo ALL=ALL\n", vec!["ada", "%sudo"]),
            ("ada,eve ALL=(ALL) /bin/ls, /bin/cat eve2\n", vec!["ada", "eve"]),
            ("eve , ada\\\n  , bob ALL = ALL\n", vec!["eve", "ada", "bob"]),
            ("User_Alias OPS = ada, \\\n\teve # the team\nOPS ALL=ALL", vec!["ada", "eve", "OPS"]),
            ("User_Alias OPS=ada:DEV=eve,!bob", vec!["ada", "eve", "!bob"]),
            ("Cmnd_Alias EVE = /bin/eve\nHost_Alias H = eve\nDefaults use_pty\n#includedir /etc/sudoers.d\n", vec![]),
            ("#1001 ALL=ALL\n\"eve\" ALL=ALL\neve\tALL=(ALL:ALL) ALL", vec!["#1001", "eve", "eve"]),
            ("Defaultsmith ALL=ALL\nUser_Aliases ALL=ALL", vec!["Defaultsmith", "User_Aliases"]),
            ("eve", vec!["eve"]),
        ] {
            assert_eq!(subjects(text), expected, "{text}");
        }
    }
}
