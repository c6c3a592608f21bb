//! Which sequence of a context a prompt goes to, and which tokens a turn computes. Must not know llama.cpp.
//!
//! llama.cpp computes sequences together only while their numbers follow each other without a gap, and reads all
//! weights again after each gap. So prompts go to low numbers, small gaps are filled with a token of an idle
//! sequence that is forgotten afterwards, and what is kept for later is kept outside (`store`).

use super::store::{Token, shared_prefix};

/// One sequence of a context.
#[derive(Default)]
pub struct Lane {
    /// Tokens whose state the sequence holds.
    pub held: Vec<Token>,
    /// The prompt that is being read or answered.
    pub prompt: Option<std::sync::Arc<[Token]>>,
}

impl Lane {
    /// Whether its prompt is not read to the end yet.
    pub fn is_reading(&self) -> bool {
        self.prompt.as_ref().is_some_and(|prompt| self.held.len() < prompt.len())
    }
}

/// Fewer tokens are computed faster than a state is copied.
pub const WORTH_COPYING: usize = 16;
/// Longest gap that is filled.
const GAP_MAX: usize = 3;

/// The idle sequence a prompt should take, and how many tokens it shares with what that holds.
///
/// Only numbers next to the busy ones are considered.
pub fn place(lanes: &[Lane], prompt: &[Token]) -> Option<(usize, usize)> {
    let n_busy = lanes.iter().filter(|lane| lane.prompt.is_some()).count();
    let idle = lanes.iter().enumerate().filter(|(_, lane)| lane.prompt.is_none());
    let near = idle.take_while(|(k, _)| *k <= n_busy).map(|(k, lane)| (k, shared_prefix(&lane.held, prompt)));
    // Of equals the first.
    near.reduce(|best, other| if other.1 > best.1 { other } else { best })
}

/// Tokens of `prompt` that are being read for another one just now, beyond the `n_known` that need not be computed
/// anyway: worth waiting for if they are many.
pub fn coming(lanes: &[Lane], prompt: &[Token], n_known: usize) -> bool {
    let reading = lanes.iter().filter(|lane| lane.is_reading());
    let shared = reading.filter_map(|lane| lane.prompt.as_deref()).map(|other| shared_prefix(other, prompt));
    // The last token is always computed, so that there is something to draw from.
    shared.max().is_some_and(|n| n.min(prompt.len() - 1) > n_known + WORTH_COPYING)
}

/// What one sequence adds to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The token that was drawn for it last.
    Write,
    /// So many tokens of its prompt.
    Read(usize),
    /// A token that is forgotten again.
    Fill,
}

/// What every sequence adds to a turn of at most `n_max` read tokens, in ascending order of sequences.
pub fn turn(lanes: &[Lane], n_max: usize) -> Vec<(usize, Part)> {
    let n_writing = lanes.iter().filter(|lane| lane.prompt.is_some() && !lane.is_reading()).count();
    let mut left = n_max.saturating_sub(n_writing).max(1);
    let mut parts: Vec<(usize, Part)> = Vec::new();
    for (k, lane) in lanes.iter().enumerate() {
        let Some(prompt) = &lane.prompt else { continue };
        let part = match prompt.len().saturating_sub(lane.held.len()) {
            0 => Part::Write,
            n_unread => Part::Read(n_unread.min(left)),
        };
        if let Part::Read(n) = part {
            left -= n;
            if n == 0 {
                continue;
            }
        }
        if let Some((last, _)) = parts.last().copied().filter(|(last, _)| k - last - 1 <= GAP_MAX) {
            // Those that wait for room to read must not get anything written behind what they hold.
            let gap = last + 1..k;
            if gap.clone().all(|between| lanes[between].prompt.is_none()) {
                parts.extend(gap.map(|between| (between, Part::Fill)));
            }
        }
        parts.push((k, part));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sequences that hold the first of their tokens, with a prompt where there is one.
    fn lanes(parts: &[(usize, Option<&[Token]>)]) -> Vec<Lane> {
        let lane = |(n_held, prompt): &(usize, Option<&[Token]>)| Lane {
            held: prompt.map_or_else(|| (0..*n_held as Token).collect(), |prompt| prompt[..*n_held].to_vec()),
            prompt: prompt.map(Into::into),
        };
        parts.iter().map(lane).collect()
    }

    #[test]
    fn prompts_go_where_most_is_held_next_to_the_busy() {
        let busy: (usize, Option<&[Token]>) = (1, Some(&[0]));
        let all = lanes(&[busy, (2, None), (3, None), (9, None)]);
        let prompt: Vec<Token> = (0..9).collect();
        assert_eq!(place(&all, &prompt), Some((1, 2)), "number 2 and 3 would leave a gap");
        assert_eq!(place(&lanes(&[(0, None), busy, (3, None)]), &prompt), Some((0, 0)));
        assert_eq!(place(&lanes(&[busy, busy, (0, None), (3, None)]), &prompt), Some((2, 0)));
        assert_eq!(place(&lanes(&[busy]), &prompt), None);
    }

    #[test]
    fn what_is_being_read_is_waited_for() {
        let long: Vec<Token> = (0..100).collect();
        let reading = lanes(&[(50, Some(&long))]);
        let mut other = long.clone();
        other[80] = 999;
        assert!(coming(&reading, &other, 10));
        assert!(!coming(&reading, &other, 70), "little is gained");
        assert!(!coming(&lanes(&[(100, Some(&long))]), &other, 10), "already read");
    }

    #[test]
    fn a_turn_reads_as_much_as_fits_and_fills_small_gaps() {
        let long: Vec<Token> = (0..100).collect();
        let reading: (usize, Option<&[Token]>) = (40, Some(&long));
        let writing: (usize, Option<&[Token]>) = (100, Some(&long));
        let idle = (5, None);
        let parts = turn(&lanes(&[writing, idle, reading, reading, idle, writing]), 102);
        use Part::{Fill, Read, Write};
        assert_eq!(parts, [(0, Write), (1, Fill), (2, Read(60)), (3, Read(40)), (4, Fill), (5, Write)]);
        // Who has no room left waits, and the gap stays.
        let parts = turn(&lanes(&[writing, reading, reading, writing]), 62);
        assert_eq!(parts, [(0, Write), (1, Read(60)), (3, Write)]);
        let far = lanes(&[writing, idle, idle, idle, idle, writing]);
        assert_eq!(turn(&far, 10), [(0, Write), (5, Write)]);
        // There is always something to do, or nothing left to read would ever be read.
        assert_eq!(turn(&lanes(&[writing, reading]), 1), [(0, Write), (1, Read(1))]);
    }
}
