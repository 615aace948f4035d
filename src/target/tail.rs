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

    /// Takes the first lines, of so many bytes or a little more, after a word on those that went; `None` where none is left. So a whole that is written
    /// down is never there twice.
    pub fn take(&mut self, most: usize) -> Option<String> {
        let mut piece = self.gap().unwrap_or_default();
        self.dropped = 0;
        while piece.len() < most
            && let Some(line) = self.lines.pop_front()
        {
            self.held -= line.len() + 1;
            piece.extend([line.as_str(), "\n"]);
        }
        (!piece.is_empty()).then_some(piece)
    }

    fn gap(&self) -> Option<String> {
        (self.dropped > 0).then(|| format!("[... {} lines left out ...]\n", self.dropped))
    }

    /// The lines, after a word on those that went.
    pub fn text(&self) -> String {
        let gap = self.gap();
        gap.as_deref().into_iter().chain(self.lines.iter().flat_map(|line| [line.as_str(), "\n"])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_piece_by_piece_is_the_whole() {
        let filled = || {
            let mut tail = Tail::default();
            (0..100).for_each(|number| tail.push(format!("line {number}"), 200));
            tail
        };
        let (whole, mut tail) = (filled().text(), filled());
        let pieces: Vec<String> = std::iter::from_fn(|| tail.take(50)).collect();
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() < 60), "{pieces:?}");
        assert!(whole.starts_with("[... 75 lines left out ...]\nline 75\n"), "{whole}");
        assert_eq!((pieces.concat(), tail.is_empty()), (whole, true));
    }
}
