//! The last lines of a stream that may be longer than anybody keeps.

use std::collections::VecDeque;

/// Last lines, up to so many bytes; how many went before them is known.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    held: usize,
    dropped: usize,
}

impl Tail {
    /// Whether nothing was put here.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// One more line; the first ones go while there are more than `most` bytes.
    pub fn push(&mut self, line: String, most: usize) {
        self.held += line.len() + 1;
        self.lines.push_back(line);
        while self.held > most
            && let Some(line) = self.lines.pop_front()
        {
            self.held -= line.len() + 1;
            self.dropped += 1;
        }
    }

    /// The lines, after a word on those that went.
    pub fn text(&self) -> String {
        let gap = (self.dropped > 0).then(|| format!("[... {} lines left out ...]", self.dropped));
        gap.iter().chain(&self.lines).flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}
