//! What the real sshd answers, held against what it should.

use std::collections::BTreeMap;

/// Where the effective policy (`sshd -T` output) differs from what is expected.
#[must_use]
pub fn policy_gaps(effective: &str, expect: &BTreeMap<String, String>) -> Vec<String> {
    let says = |keyword: &str| {
        let values: Vec<&str> = effective
            .lines()
            .filter_map(|line| line.split_once(' ').filter(|(name, _)| *name == keyword))
            .map(|(_, value)| value)
            .collect();
        values.join(" ")
    };
    let gap = |(keyword, wanted): (&String, &String)| {
        let now = says(keyword);
        (now != *wanted).then(|| format!("{keyword} is `{now}`, not `{wanted}`"))
    };
    expect.iter().filter_map(gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_differs() {
        let expect = BTreeMap::from([("permitrootlogin".to_owned(), "no".to_owned()), ("maxauthtries".to_owned(), "4".to_owned())]);
        assert!(policy_gaps("port 22\npermitrootlogin no\nmaxauthtries 4\n", &expect).is_empty());
        assert_eq!(policy_gaps("permitrootlogin yes\nmaxauthtries 4\n", &expect), ["permitrootlogin is `yes`, not `no`"]);
    }
}
