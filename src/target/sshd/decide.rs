//! Which line decides what sshd does: of most keywords the first that it reads, unless one of a `Match` block speaks of whoever comes; of
//! some, all lines together.

use super::policy::POLICY;
use super::visits::{Holds, Line, SSHD_CONFIG, argument, includes, words};

/// Keywords whose lines add up over all files (`sshd_config(5)`): what one of them is, is a set, however often something is in it.
pub(in crate::target) const ADD_UP: [&str; 4] = ["allowusers", "allowgroups", "denyusers", "denygroups"];

/// Whether two answers for a keyword are the same one.
pub(super) fn same(keyword: &str, one: &str, other: &str) -> bool {
    let set = |text: &str| {
        let mut all: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        all.sort();
        all.dedup();
        all
    };
    one == other || (ADD_UP.contains(&keyword) && set(one) == set(other))
}

/// The line of others because of which sshd answers this for a keyword, in spite of the policy; none where no line speaks of it.
pub(super) fn decides<'l>(lines: &'l [Line], keyword: &str, answer: &str) -> Option<&'l Line> {
    let before = before_policy(lines);
    let counts = |index: usize, line: &Line| ADD_UP.contains(&keyword) || line.holds == Holds::ForSome || index < before;
    let speaks = |(index, line): (usize, &'l Line)| {
        let value = argument(&line.text, keyword).filter(|_| line.file.as_str() != POLICY && counts(index, line))?;
        Some((line, words(value).join(" ")))
    };
    let all: Vec<(&Line, String)> = lines.iter().enumerate().filter_map(speaks).collect();
    let exactly = all.iter().find(|(_, value)| value.eq_ignore_ascii_case(answer));
    exactly.or(all.first()).map(|(line, _)| *line)
}

/// How many lines sshd reads before those of the policy, or before where they would be.
fn before_policy(lines: &[Line]) -> usize {
    let Some(include) = lines.iter().position(|line| line.holds == Holds::ForAll && includes(&line.text, POLICY)) else { return 0 };
    let earlier = |line: &&Line| line.file.as_str() != SSHD_CONFIG && line.file.as_str() < POLICY;
    include + 1 + lines[include + 1..].iter().take_while(earlier).count()
}

/// Where a line is, as messages say it.
pub(super) fn at(line: &Line) -> String {
    format!("({}:{})", line.file, line.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetPath;

    fn line(file: &str, number: usize, text: &str, holds: Holds) -> Line {
        Line { file: TargetPath::parse(file).unwrap(), number, text: text.to_owned(), holds }
    }

    #[test]
    fn the_line_that_wins_is_found() {
        let (early, late) = ("/etc/ssh/sshd_config.d/00-aaa.conf", "/etc/ssh/sshd_config.d/60-x.conf");
        let lines = [
            line(SSHD_CONFIG, 1, "Include /etc/ssh/sshd_config.d/*.conf", Holds::ForAll),
            line(early, 3, "X11Forwarding yes", Holds::ForAll),
            line(POLICY, 2, "X11Forwarding no", Holds::ForAll),
            line(late, 1, "PermitRootLogin yes", Holds::ForAll),
            line(late, 2, "AllowUsers bob", Holds::ForAll),
            line(SSHD_CONFIG, 9, "PermitRootLogin=yes", Holds::ForSome),
        ];
        let found = |keyword: &str, answer: &str| decides(&lines, keyword, answer).map(at);
        assert_eq!(found("x11forwarding", "yes"), Some(format!("({early}:3)")));
        assert_eq!(found("permitrootlogin", "yes"), Some(format!("({SSHD_CONFIG}:9)")));
        assert_eq!(found("allowusers", "ann bob"), Some(format!("({late}:2)")));
        assert_eq!(found("maxauthtries", "6"), None);
    }

    #[test]
    fn a_list_that_adds_up_is_a_set() {
        assert!(same("allowusers", "ada ada", "ada") && same("allowusers", "b a", "a b"));
        assert!(!same("allowusers", "ada bob", "ada") && !same("allowusers", "", "ada") && !same("allowusers", "ada", "ada@10.0.0.1"));
        assert!(!same("authenticationmethods", "publickey publickey", "publickey"));
    }
}
