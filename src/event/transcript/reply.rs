//! The reply to a page: what was found to fit, watched and rated, each line landed on the slot it means.
//! Must not know calls, sessions or people.

use super::fields::{Field, Label, Number, fields, number, trimmed};
use super::titles::{Choice, Landing, words};

/// Ratings go from 1 to this.
const RATING_MAX: u8 = 5;

/// Lines of one kind, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// Lines that say something; of watch lines, titles named.
    pub seen: u64,
    /// How many of them landed on a slot.
    pub landed: u64,
    /// The first that did not, and why.
    pub left: Vec<Left>,
}

/// A line that landed on no slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// Raw id of the agent.
    pub agent: String,
    /// The page, from 1.
    pub page: u32,
    /// What it named.
    pub named: String,
    /// Why it was left.
    pub why: &'static str,
}

/// Examples of lines left that are kept.
const EXAMPLES_MAX: usize = 100;
/// Characters of what a line named that are kept.
const EXAMPLE_CHARS_MAX: usize = 80;

impl Lines {
    fn take(&mut self, name: &str, outcome: Result<usize, &'static str>) -> Option<usize> {
        self.seen += 1;
        match outcome {
            Ok(slot) => {
                self.landed += 1;
                Some(slot)
            }
            Err(why) => {
                let named = name.chars().take(EXAMPLE_CHARS_MAX).collect();
                self.left.push(Left { agent: String::new(), page: 0, named, why });
                None
            }
        }
    }

    /// Adds what one page came to.
    pub(super) fn add(&mut self, more: Lines, agent: &str, page: u32) {
        self.seen += more.seen;
        self.landed += more.landed;
        let room = EXAMPLES_MAX.saturating_sub(self.left.len());
        let named = more.left.into_iter().take(room);
        self.left.extend(named.map(|left| Left { agent: agent.to_owned(), page, ..left }));
    }
}

/// What was said of one slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotSaid {
    /// Whether it fits, where that was said.
    pub fits: Option<bool>,
    /// Why.
    pub reason: String,
    /// Whether a line of the form `MOVIE: …; RATING: …` tells of watching it.
    pub watched: bool,
    /// The rating 1..=5, where it can be read.
    pub rating: Option<u8>,
    /// What it felt like.
    pub feeling: String,
    /// Whether it was named among those to be watched.
    pub chosen: bool,
}

/// What a reply says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// One entry a slot.
    pub slots: Vec<SlotSaid>,
    /// `MOVIE: …; ALIGN: …`.
    pub align: Lines,
    /// Titles on lines `NUM: …; WATCH: …`.
    pub watch: Lines,
    /// Lines with a rating.
    pub rating: Lines,
    /// Lines that land where a line of their kind has landed already; the first counts.
    pub n_repeated: u64,
    /// Lines that say that there is nothing to say: `MOVIE: N/A; RATING: N/A`.
    pub n_empty: u64,
}

/// A group of fields that belong together.
#[derive(Clone, Copy, Debug, Default)]
struct Entry<'a> {
    film: Option<&'a str>,
    align: Option<&'a str>,
    rating: Option<&'a str>,
    watch: Option<&'a str>,
    is_watch: bool,
    reason: &'a str,
    feeling: &'a str,
}

/// Reads a reply to a page that shows these titles.
///
/// A film is watched where it is rated in the form that was asked for, whatever the watch line says: that is
/// what the recorded run itself went by, as the memories in its later prompts show.
pub fn read(reply: &str, shown: &[String]) -> Said {
    let page = Choice::new(shown.iter().map(String::as_str));
    let mut said = Said { slots: vec![SlotSaid::default(); shown.len()], ..Said::default() };
    for entry in entries(reply) {
        if let Some(names) = entry.watch {
            said.take_watch(names, &page);
        }
        if let Some(align) = entry.align {
            said.take_align(&entry, align, &page);
        }
        if let Some(rating) = entry.rating {
            said.take_rating(&entry, rating, &page);
        }
    }
    said
}

/// Fields put together: a film begins an entry, and so does a number of films to watch.
fn entries(reply: &str) -> Vec<Entry<'_>> {
    let mut found: Vec<Entry<'_>> = Vec::new();
    for field in fields(reply) {
        let last = found.last_mut();
        match (field.label, last) {
            (Label::Movie, _) => found.push(Entry { film: Some(field.line()), ..Entry::default() }),
            (Label::Num, _) => found.push(Entry { is_watch: true, ..Entry::default() }),
            (Label::Watch, Some(last)) if last.is_watch && last.watch.is_none() => {
                last.watch = Some(field.prose());
            }
            (Label::Watch, _) => {
                found.push(Entry { is_watch: true, watch: Some(field.prose()), ..Entry::default() });
            }
            (Label::Align, Some(last)) if last.film.is_some() && last.align.is_none() => {
                last.align = Some(field.line());
            }
            (Label::Align, _) => found.push(Entry { align: Some(field.line()), ..Entry::default() }),
            (Label::Rating, Some(last)) if takes_rating(last, &field) => last.rating = Some(field.line()),
            (Label::Rating, _) => found.push(Entry { rating: Some(field.line()), ..Entry::default() }),
            (Label::Reason, Some(last)) if last.reason.is_empty() => last.reason = field.prose(),
            (Label::Feeling, Some(last)) if last.feeling.is_empty() => last.feeling = field.prose(),
            (Label::Reason | Label::Feeling, _) => {}
        }
    }
    found
}

/// Whether a rating belongs to the entry before it: to a film not rated yet, said on the same line where the
/// film has its align already; or to a rating on the same line that had none.
fn takes_rating(last: &Entry<'_>, field: &Field<'_>) -> bool {
    match last.film {
        Some(_) => last.rating.is_none() && (last.align.is_none() || !field.opens_line),
        None => last.rating.is_some() && !field.opens_line,
    }
}

/// Whether a name says that there is no film.
fn is_none(name: &str) -> bool {
    matches!(
        words(name).as_str(),
        "" | "none" | "n a" | "na" | "nothing" | "null" | "no movie" | "no movies" | "0"
    )
}

fn land(page: &Choice, name: Option<&str>) -> Result<usize, &'static str> {
    match name.map(|name| page.land(name)) {
        Some(Landing::On(slot)) => Ok(slot),
        Some(Landing::Ambiguous) => Err("could be two titles of the page"),
        Some(Landing::Nowhere) => Err("is no title of the page"),
        None => Err("names no film"),
    }
}

impl Said {
    fn take_align(&mut self, entry: &Entry<'_>, align: &str, page: &Choice) {
        if entry.film.is_some_and(is_none) {
            self.n_empty += 1;
            return;
        }
        let fits = yes_or_no(align).ok_or("says neither yes nor no");
        let outcome = fits.and_then(|_| land(page, entry.film));
        let Some(slot) = self.align.take(entry.film.unwrap_or(align), outcome) else { return };
        let slot = &mut self.slots[slot];
        if slot.fits.is_some() {
            self.n_repeated += 1;
            return;
        }
        (slot.fits, slot.reason) = (fits.ok(), entry.reason.to_owned());
    }

    fn take_rating(&mut self, entry: &Entry<'_>, rating: &str, page: &Choice) {
        let value = number(rating, RATING_MAX);
        if value == Number::Missing {
            self.n_empty += 1;
            return;
        }
        let outcome = land(page, entry.film);
        let Some(slot) = self.rating.take(entry.film.unwrap_or(rating), outcome) else { return };
        let slot = &mut self.slots[slot];
        if slot.watched {
            self.n_repeated += 1;
            return;
        }
        slot.watched = true;
        slot.feeling = entry.feeling.to_owned();
        if let Number::Is(rating) = value {
            slot.rating = Some(rating);
        }
    }

    fn take_watch(&mut self, names: &str, page: &Choice) {
        let pieces: Vec<&str> = names.split([',', ';', '\n']).collect();
        let mut at = 0;
        while at < pieces.len() {
            // A title may hold commas itself: as many pieces as make one are taken.
            let longest = (2..=PIECES_MAX.min(pieces.len() - at)).rev().find_map(|n| {
                match page.land_whole(&pieces[at..at + n].join(",")) {
                    Landing::On(slot) => Some((n, slot)),
                    _ => None,
                }
            });
            let piece = trimmed(pieces[at]);
            match longest {
                Some((n, slot)) => {
                    self.watch.take(piece, Ok(slot));
                    self.slots[slot].chosen = true;
                    at += n;
                    continue;
                }
                None if is_none(piece) => {}
                None => {
                    if let Some(slot) = self.watch.take(piece, land(page, Some(piece))) {
                        self.slots[slot].chosen = true;
                    }
                }
            }
            at += 1;
        }
    }
}

/// Commas a title may hold, and one.
const PIECES_MAX: usize = 5;

fn yes_or_no(text: &str) -> Option<bool> {
    let first = text.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty())?;
    match first.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" => Some(true),
        "no" | "n" | "false" | "not" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Vec<String> {
        ["Babe (1995)", "Good, the Bad and the Ugly, The (1966)", "Rock, The (1996)", "Star Wars (1977)"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn a_reply_in_the_form_asked_for() {
        let said = read(
            "MOVIE: Babe (1995); ALIGN: Yes; REASON: A sweet film.\n\nMOVIE: The Good, the Bad and the Ugly; ALIGN: No; \
             REASON: Too long.\nMOVIE: Rock; ALIGN: [yes]; REASON: Loud\nMOVIE: Star Wars; ALIGN: no; REASON: Old\n\n\
             NUM: 3; WATCH: Babe (1995), Good, the Bad and the Ugly, The, Rock, The; REASON: Good.\n\n\
             MOVIE: Babe; RATING: 4/5; FEELING: Warm\nand kind.\nMOVIE: Rock, The (1996); RATING: 5.; FEELING: Wow; \n\n\
             Note: I apologise.",
            &page(),
        );
        let fits: Vec<Option<bool>> = said.slots.iter().map(|slot| slot.fits).collect();
        assert_eq!(fits, [Some(true), Some(false), Some(true), Some(false)]);
        let told: Vec<(bool, Option<u8>, bool)> =
            said.slots.iter().map(|slot| (slot.watched, slot.rating, slot.chosen)).collect();
        assert_eq!(
            told,
            [(true, Some(4), true), (false, None, true), (true, Some(5), true), (false, None, false)]
        );
        assert_eq!(
            (said.slots[0].reason.as_str(), said.slots[0].feeling.as_str()),
            ("A sweet film.", "Warm\nand kind.")
        );
        assert_eq!(said.slots[2].feeling, "Wow");
        for (lines, n) in [(&said.align, 4), (&said.watch, 3), (&said.rating, 2)] {
            assert_eq!((lines.seen, lines.landed, lines.left.len()), (n, n, 0));
        }
        assert_eq!((said.n_repeated, said.n_empty), (0, 0));
    }

    #[test]
    fn what_cannot_be_told_lands_nowhere() {
        let said = read(
            "MOVIE: Babe; ALIGN: perhaps\nMOVIE: Alien; ALIGN: yes\nMOVIE: Babe; ALIGN: yes\nMOVIE: Babe; ALIGN: no\n\
             NUM: 0; WATCH: N/A\nNUM: 1; WATCH: Alien\nRATING: 4; FEELING: Of what?\nRATING: Babe; RATING: 3\n\
             MOVIE: N/A; RATING: N/A\nMOVIE: Star Wars; RATING: 7",
            &page(),
        );
        let left: Vec<(&str, &str)> =
            said.align.left.iter().map(|left| (left.named.as_str(), left.why)).collect();
        assert_eq!(left, [("Babe", "says neither yes nor no"), ("Alien", "is no title of the page")]);
        assert_eq!((said.align.seen, said.align.landed, said.n_repeated, said.n_empty), (4, 2, 1, 1));
        assert_eq!(said.slots[0].fits, Some(true));
        assert_eq!((said.watch.seen, said.watch.landed), (1, 0));
        let left: Vec<(&str, &str)> =
            said.rating.left.iter().map(|left| (left.named.as_str(), left.why)).collect();
        assert_eq!(left, [("4", "names no film"), ("3", "names no film")]);
        assert!(said.slots[3].watched && said.slots[3].rating.is_none());
        assert!(!said.slots[0].watched);
        assert_eq!(read("", &page()).slots, vec![SlotSaid::default(); 4]);
        assert_eq!(read("MOVIE: Babe; RATING: 4", &[]).rating.landed, 0);
    }

    #[test]
    fn fields_on_lines_of_their_own_and_merged_lines() {
        let said = read(
            "Movie: Babe\nAlign: Yes\nReason: nice\nMOVIE: Rock; ALIGN: Yes; REASON: loud; RATING: 3; FEELING: ok",
            &page(),
        );
        assert_eq!((said.slots[0].fits, said.slots[0].reason.as_str()), (Some(true), "nice"));
        let rock = &said.slots[2];
        assert_eq!((rock.fits, rock.rating, rock.feeling.as_str()), (Some(true), Some(3), "ok"));
    }
}
