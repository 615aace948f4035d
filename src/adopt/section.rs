//! A part of a proposed manifest: what it states, and what it only tells.

/// What one part of a machine comes to.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Lines above the items, such as `units:`.
    pub head: Vec<String>,
    /// What is stated.
    pub items: Vec<Item>,
    /// What would have been stated if it were so already, with the reason.
    pub refused: Vec<(Item, String)>,
    /// What was found and has no place in a manifest.
    pub remarks: Vec<String>,
}

/// Lines that are stated together or not at all.
pub type Item = Vec<String>;

impl Section {
    /// A section whose items stand below these lines.
    pub fn headed(head: &[&str]) -> Self {
        Self { head: head.iter().map(|line| (*line).to_owned()).collect(), ..Self::default() }
    }

    /// With something told.
    #[must_use]
    pub fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// With names told in one line, where there are any.
    #[must_use]
    pub fn list(self, what: &str, names: &[String]) -> Self {
        if names.is_empty() { self } else { self.remark(format!("{what}: {}.", names.join(", "))) }
    }

    /// The manifest of some of its items alone.
    pub fn manifest(&self, items: &[&Item]) -> String {
        let lines = std::iter::once("schema: 1").chain(self.head.iter().map(String::as_str));
        text(lines.chain(items.iter().flat_map(|item| item.iter().map(String::as_str))))
    }

    /// As a part of a manifest; nothing where nothing was found.
    pub fn show(&self, title: &str) -> String {
        if self.items.is_empty() && self.refused.is_empty() && self.remarks.is_empty() {
            return String::new();
        }
        let mut lines = vec![String::new(), format!("# {title}")];
        lines.extend(self.remarks.iter().map(|remark| format!("# - {}", comment(remark))));
        if !self.items.is_empty() {
            lines.extend(self.head.iter().chain(self.items.iter().flatten()).cloned());
        }
        let mut head = self.head.iter().filter(|_| self.items.is_empty());
        for (item, reason) in &self.refused {
            lines.push(format!("# Not stated: {}", comment(reason)));
            lines.extend(head.by_ref().chain(item).map(|line| format!("#{line}")));
        }
        text(lines.iter().map(String::as_str))
    }
}

fn text<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// A text that ends no comment and does nothing to a terminal.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "\u{85}\u{2028}\u{2029}".contains(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_a_comment() {
        let shown = Section::headed(&["units:"]).remark("a\nuser: {name: eve}\u{1b}[2J").show("Units.");
        assert_eq!(shown, "\n# Units.\n# - a?user: {name: eve}?[2J\n");
    }

    #[test]
    fn what_is_refused_is_a_comment_with_its_head() {
        let section =
            Section { refused: vec![(vec!["    - git".into()], "absent".into())], ..Section::headed(&["packages:", "  install:"]) };
        assert_eq!(section.show("P."), "\n# P.\n# Not stated: absent\n#packages:\n#  install:\n#    - git\n");
    }
}
