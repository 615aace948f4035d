//! What is said of parts of a manifest, found by what was made of them: of many parts that say something each finds its own at once.

use super::Item;
use std::collections::{HashMap, HashSet};

/// Things that are said, by the item of which they are said.
#[derive(Debug)]
pub struct Sayings<'s, T> {
    all: &'s [T],
    /// Of whole sections.
    of_sections: HashMap<&'s str, Vec<usize>>,
    /// Of items, by section.
    of_items: HashMap<&'s str, HashMap<&'s str, Vec<usize>>>,
}

impl<'s, T> Sayings<'s, T> {
    /// All of these, each of its item.
    pub fn new(all: &'s [T], item: impl Fn(&'s T) -> &'s Item) -> Self {
        let mut sayings = Self { all, of_sections: HashMap::new(), of_items: HashMap::new() };
        for (n, said) in all.iter().enumerate() {
            let Item { section, name } = item(said);
            match name {
                None => sayings.of_sections.entry(section).or_default().push(n),
                Some(name) => sayings.of_items.entry(section).or_default().entry(name).or_default().push(n),
            }
        }
        sayings
    }

    /// Those that are said of what was made, by [`Item::covers`], in their order.
    #[must_use]
    pub fn about(&self, made: &Item) -> Vec<&'s T> {
        let sections = sections(&made.section).filter_map(|section| self.of_sections.get(section));
        let named = self.of_items.get(made.section.as_str());
        let items = named.into_iter().flat_map(|items| match &made.name {
            Some(name) => items.get(name.as_str()).into_iter().collect::<Vec<_>>(),
            None => items.values().collect(),
        });
        let mut found: Vec<usize> = sections.chain(items).flatten().copied().collect();
        found.sort_unstable();
        found.into_iter().filter_map(|n| self.all.get(n)).collect()
    }
}

/// Items that something was made of, to be asked whether what is said of one is said of anything.
#[derive(Debug, Default)]
pub struct Made {
    sections: HashSet<String>,
    items: HashSet<(String, Option<String>)>,
}

impl Made {
    /// Of all of these.
    pub fn of(items: impl Iterator<Item = Item>) -> Self {
        let mut made = Self::default();
        for Item { section, name } in items {
            made.sections.extend(sections(&section).map(str::to_owned));
            made.items.insert((section, name));
        }
        made
    }

    /// Whether one of them is covered by this one.
    #[must_use]
    pub fn has(&self, said: &Item) -> bool {
        let with = |name: Option<&String>| self.items.contains(&(said.section.clone(), name.cloned()));
        match &said.name {
            None => self.sections.contains(&said.section),
            Some(name) => with(Some(name)) || with(None),
        }
    }
}

/// A section and all that it is in: `gpu`, `gpu.cuda`.
fn sections(section: &str) -> impl Iterator<Item = &str> {
    section.match_indices('.').map(|(at, _)| &section[..at]).chain([section])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_covers() {
        let item =
            |section: &str, name: &str| Item { section: section.into(), name: Some(name.into()).filter(|name: &String| !name.is_empty()) };
        let all = [item("gpu", ""), item("gpu.cuda", ""), item("files", "/a"), item("files", ""), item("files", "/b"), item("gpus", "")];
        let made = [item("gpu.cuda", ""), item("gpu", ""), item("files", "/a"), item("files", ""), item("files", "/c"), item("units", "x")];
        let sayings = Sayings::new(&all, |item| item);
        for one in &made {
            assert_eq!(sayings.about(one), all.iter().filter(|said| said.covers(one)).collect::<Vec<_>>(), "{one:?}");
        }
        let some = Made::of(made.iter().cloned());
        for said in &all {
            assert_eq!(some.has(said), made.iter().any(|one| said.covers(one)), "{said:?}");
        }
    }
}
