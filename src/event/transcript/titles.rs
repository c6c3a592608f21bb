//! Titles in the many forms people and models write them in, and which of a few titles is meant.
//! Must not know what is said about them.
//!
//! Compared are words without case, accents and punctuation, with the article in front (`Lion King, The`
//! is `the lion king`) and the year apart. Where an encoding was lost, any character may stand.

use crate::id::ItemId;
use std::collections::BTreeMap;

/// What the first character that an encoding lost reads as in data that were decoded twice wrongly.
const LOST_TWICE: &str = "\u{ef}\u{bf}\u{bd}";
/// A character of which only is known that there was one.
const LOST: char = '\u{fffd}';
/// Articles that a catalogue puts behind a title.
const ARTICLES: [&str; 18] = [
    "the", "a", "an", "les", "la", "le", "l", "el", "il", "los", "las", "der", "die", "das", "un", "une",
    "lo", "i",
];
/// Articles that may be missing altogether: no other word looks like them.
const DROPPABLE: [&str; 9] = ["the", "a", "an", "les", "la", "le", "el", "il", "das"];
/// Words under which the inner parts of a title are introduced.
const ALIAS_WORDS: [&str; 2] = ["a k a ", "aka "];

/// One title, taken apart.
#[derive(Clone, Debug, PartialEq)]
struct Form {
    /// Every word of it, the year aside.
    whole: String,
    /// The main title and its alternatives in brackets, without leading articles.
    parts: Vec<String>,
    year: Option<u16>,
}

impl Form {
    fn of(title: &str) -> Form {
        let (text, year) = without_year(title);
        let (main, inner) = without_brackets(&text);
        let mut parts: Vec<String> = vec![bare(&article_first(&main))];
        for alternative in inner {
            let alternative = article_first(&alternative);
            let name =
                ALIAS_WORDS.iter().find_map(|word| alternative.strip_prefix(word)).unwrap_or(&alternative);
            parts.push(bare(name));
        }
        let whole = std::iter::once(article_first(&main)).chain(parts[1..].iter().cloned());
        let whole = whole.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        parts.retain(|part| !part.is_empty());
        Form { whole, parts, year }
    }

    /// Whether the years are those of one film, as far as both are told.
    fn year_fits(&self, other: &Form) -> bool {
        self.year.is_none() || other.year.is_none() || self.year == other.year
    }

    fn shares_a_part(&self, other: &Form) -> bool {
        self.parts.iter().any(|part| other.parts.contains(part))
    }

    /// Whether all words of one are found in the other, in a row.
    fn contains_or_is_contained(&self, other: &Form) -> bool {
        let holds = |outer: &Form, inner: &Form| {
            let part =
                inner.parts.first().filter(|part| part.len() > 2 && !ARTICLES.contains(&part.as_str()));
            part.is_some_and(|part| has_words(&outer.whole, part))
        };
        holds(self, other) || holds(other, self)
    }

    /// The fewest changes of a character that make a part of one a part of the other.
    fn distance(&self, other: &Form) -> Option<usize> {
        let pairs = self.parts.iter().flat_map(|a| other.parts.iter().map(move |b| (a, b)));
        pairs.filter_map(|(a, b)| distance_within(a, b)).min()
    }
}

/// What a name lands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// The title at this place.
    On(usize),
    /// Two or more that it could be.
    Ambiguous,
    /// None.
    Nowhere,
}

/// A few titles, one of which may be meant.
#[derive(Clone, Debug)]
pub struct Choice {
    forms: Vec<Form>,
}

impl Choice {
    /// Of these titles.
    pub fn new<'a>(titles: impl IntoIterator<Item = &'a str>) -> Self {
        Choice { forms: titles.into_iter().map(Form::of).collect() }
    }

    /// Which of them a name means: the same title first, then one of its parts, then a part of its words,
    /// then a slip of the pen. What could be two of them is none.
    pub fn land(&self, name: &str) -> Landing {
        let named = Form::of(name);
        match self.land_exactly(&named) {
            Landing::Nowhere => {}
            landing => return landing,
        }
        for heed_year in [true, false] {
            let fits = |form: &Form| !heed_year || form.year_fits(&named);
            let landing = self.only(|form| fits(form) && form.contains_or_is_contained(&named));
            if landing != Landing::Nowhere {
                return landing;
            }
            let slips: Vec<Option<usize>> =
                self.forms.iter().map(|form| fits(form).then(|| form.distance(&named)).flatten()).collect();
            if let Some(least) = slips.iter().flatten().min() {
                return unique((0..slips.len()).filter(|&k| slips[k].as_ref() == Some(least)));
            }
        }
        Landing::Nowhere
    }

    /// The same, but only for a name that is such a title or a whole part of it.
    pub fn land_whole(&self, name: &str) -> Landing {
        self.land_exactly(&Form::of(name))
    }

    fn land_exactly(&self, named: &Form) -> Landing {
        if named.parts.is_empty() {
            return Landing::Nowhere;
        }
        let stages: [&dyn Fn(&Form) -> bool; 4] = [
            &|form| form.whole == named.whole && form.year == named.year,
            &|form| form.whole == named.whole && form.year_fits(named),
            &|form| form.shares_a_part(named) && form.year_fits(named),
            &|form| form.shares_a_part(named),
        ];
        let landings = stages.iter().map(|stage| self.only(stage));
        landings.into_iter().find(|landing| *landing != Landing::Nowhere).unwrap_or(Landing::Nowhere)
    }

    fn only(&self, is_meant: impl Fn(&Form) -> bool) -> Landing {
        unique((0..self.forms.len()).filter(|&k| is_meant(&self.forms[k])))
    }
}

fn unique(mut places: impl Iterator<Item = usize>) -> Landing {
    match (places.next(), places.next()) {
        (None, _) => Landing::Nowhere,
        (Some(place), None) => Landing::On(place),
        (Some(_), Some(_)) => Landing::Ambiguous,
    }
}

/// The titles of a catalogue.
#[derive(Clone, Debug)]
pub struct Catalogue {
    exact: BTreeMap<String, Vec<ItemId>>,
    with_year: BTreeMap<(String, Option<u16>), Vec<ItemId>>,
    by_part: BTreeMap<String, Vec<(ItemId, Option<u16>)>>,
}

impl Catalogue {
    /// Of these titles, in `ItemId` order.
    pub fn new<'a>(titles: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found =
            Catalogue { exact: BTreeMap::new(), with_year: BTreeMap::new(), by_part: BTreeMap::new() };
        for (item, title) in (0..).map(ItemId).zip(titles) {
            let form = Form::of(title);
            found.exact.entry(title.to_owned()).or_default().push(item);
            for part in form.parts {
                let items = found.by_part.entry(part).or_default();
                if items.last().is_none_or(|&(last, _)| last != item) {
                    items.push((item, form.year));
                }
            }
            found.with_year.entry((form.whole, form.year)).or_default().push(item);
        }
        found
    }

    /// The item of this title: as it is written, else in another form.
    ///
    /// # Errors
    /// When no item has the title, or several have.
    pub fn item(&self, title: &str) -> Result<ItemId, String> {
        let form = Form::of(title);
        let year_fits = |year: Option<u16>| form.year.is_none() || year.is_none() || form.year == year;
        let by_part = form.parts.first().and_then(|part| self.by_part.get(part)).into_iter().flatten();
        let by_part: Vec<ItemId> =
            by_part.filter(|&&(_, year)| year_fits(year)).map(|&(item, _)| item).collect();
        let stages =
            [self.exact.get(title), self.with_year.get(&(form.whole, form.year)), Some(&by_part)].into_iter();
        match stages.flatten().find(|items| !items.is_empty()).map(Vec::as_slice) {
            Some([item]) => Ok(*item),
            Some(items) => Err(format!("{title:?} is the title of {} items, expected one", items.len())),
            None => Err(format!("{title:?} is not the title of an item of the dataset")),
        }
    }
}

/// The words of a text: lower case, no accents, no punctuation, one blank between them.
pub fn words(text: &str) -> String {
    let text = text.replace(LOST_TWICE, "\u{fffd}").replace("&amp;", "&");
    let text = text.replace("&quot;", " ").replace("&#39;", "'").replace("<i>", " ").replace("</i>", " ");
    let mut result = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\'' | '\u{2019}' | '\u{2018}' | '`' | '\u{b4}' | '\u{300}'..='\u{36f}' => {}
            '&' => result.push_str(" and "),
            LOST => result.push(c),
            _ if c.is_ascii_alphanumeric() => result.push(c),
            _ => match folded(c) {
                "" if c.is_alphanumeric() => result.push(c),
                "" => result.push(' '),
                plain => result.push_str(plain),
            },
        }
    }
    result.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A letter without its accent; nothing for what is none of these.
fn folded(c: char) -> &'static str {
    match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ģ' => "g",
        'ì'..='ï' | 'ī' | 'ı' => "i",
        'ł' | 'ľ' | 'ĺ' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ř' => "r",
        'ś' | 'ş' | 'š' => "s",
        'ß' => "ss",
        'ť' | 'ţ' => "t",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        '²' => "2",
        '³' => "3",
        '½' => " 1 2",
        _ => "",
    }
}

/// Takes the last `(1995)` out of a title.
fn without_year(title: &str) -> (String, Option<u16>) {
    let mut end = title.len();
    while let Some(open) = title[..end].rfind('(') {
        let inside = title[open + 1..].split(')').next().unwrap_or_default();
        if let (4, Ok(year)) = (inside.trim().len(), inside.trim().parse::<u16>()) {
            let rest = title.get(open + inside.len() + 2..).unwrap_or_default();
            return (format!("{} {rest}", &title[..open]), Some(year));
        }
        end = open;
    }
    (title.to_owned(), None)
}

/// The text outside of round brackets, and that inside each.
fn without_brackets(text: &str) -> (String, Vec<String>) {
    let (mut main, mut inner) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('(') {
        let (inside, tail) = after.split_once(')').unwrap_or((after, ""));
        main.push_str(before);
        main.push(' ');
        inner.push(inside.to_owned());
        rest = tail;
    }
    main.push_str(rest);
    (main, inner)
}

/// The words of a title with the article that stands behind the comma put in front.
fn article_first(title: &str) -> String {
    let trimmed = title.trim().trim_end_matches([';', '"', '.']).trim();
    if let Some((before, behind)) = trimmed.rsplit_once(',') {
        let article = words(behind);
        if ARTICLES.contains(&article.as_str()) {
            return format!("{article} {}", words(before));
        }
    }
    words(title)
}

/// Words without a leading article, unless nothing else is left.
fn bare(words: &str) -> String {
    match words.split_once(' ') {
        Some((first, rest)) if DROPPABLE.contains(&first) => rest.to_owned(),
        _ => words.to_owned(),
    }
}

/// Whether the words of `inner` stand in a row in `outer`.
fn has_words(outer: &str, inner: &str) -> bool {
    format!(" {outer} ").contains(&format!(" {inner} "))
}

/// Characters of a title that one slip of the pen is allowed for.
const CHARS_A_SLIP: usize = 8;
/// Longest words compared letter by letter.
const COMPARED_CHARS_MAX: usize = 200;

/// Changes of a character between two texts, where they are few for their length.
///
/// A lost character is any one letter, and nothing else: `Alien?` may be `Aliens`, but is not `Alien³`.
fn distance_within(a: &str, b: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let short = a.len().min(b.len());
    if short < 4 || a.len().max(b.len()) > COMPARED_CHARS_MAX {
        return None;
    }
    let alike =
        |x: char, y: char| x == y || (x == LOST && y.is_alphabetic()) || (y == LOST && x.is_alphabetic());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for &x in &a {
        let mut diagonal = row[0];
        row[0] += 1;
        for (k, &y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!alike(x, y));
            diagonal = row[k + 1];
            row[k + 1] = change.min(row[k + 1] + 1).min(row[k] + 1);
        }
    }
    row.last().copied().filter(|&distance| distance <= (short / CHARS_A_SLIP).min(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_title_in_many_forms() {
        let page = Choice::new([
            "Misï¿½rables, Les (1995)",
            "Lion King, The (1994)",
            "Life Is Beautiful (La Vita ï¿½ bella) (1997)",
            "Sunset Blvd. (a.k.a. Sunset Boulevard) (1950)",
            "Alienï¿½ (1992)",
            "Truth About Cats & Dogs, The (1996)",
            "Schindler's List (1993)",
            "Good, the Bad and the Ugly, The (1966)",
        ]);
        for (name, place) in [
            ("Les Misérables", 0),
            ("Misérables, Les (1995)", 0),
            ("Miserables (1998)", 0),
            ("The Lion King", 1),
            ("Lion King", 1),
            ("\"LION KING, THE\" (1994)", 1),
            ("Life Is Beautiful", 2),
            ("La Vita è bella (1997)", 2),
            ("Life is Beautifull", 2),
            ("Sunset Boulevard", 3),
            ("Sunset Blvd.", 3),
            ("Aliené (1992)", 4),
            ("Truth about Cats &amp; Dogs", 5),
            ("The Truth About Cats and Dogs (1996)", 5),
            ("Schindlers List", 6),
            ("Schindler\u{2019}s List (1993)", 6),
            ("The Good, the Bad, and the Ugly", 7),
        ] {
            assert_eq!(page.land(name), Landing::On(place), "{name}");
        }
        for name in ["Toy Story", "", "The", "(1995)", "?", "Alien³ (1992)"] {
            assert_eq!(page.land(name), Landing::Nowhere, "{name}");
        }
    }

    #[test]
    fn what_could_be_two_is_none() {
        let page = Choice::new([
            "Star Wars: Episode IV - A New Hope (1977)",
            "Star Wars: Episode VI (1983)",
            "Alien (1979)",
            "Aliens (1986)",
        ]);
        assert_eq!(page.land("Star Wars"), Landing::Ambiguous);
        assert_eq!(page.land("A New Hope"), Landing::On(0));
        assert_eq!(page.land("Alien"), Landing::On(2));
        assert_eq!(page.land("Aliens (1986)"), Landing::On(3));
        let twins = Choice::new(["Misérables, Les (1995)", "Misérables, Les (1998)"]);
        assert_eq!(twins.land("Les Misérables"), Landing::Ambiguous);
        assert_eq!(twins.land("Les Misérables (1998)"), Landing::On(1));
    }

    #[test]
    fn a_catalogue_knows_a_title_in_other_forms() {
        let catalogue = Catalogue::new([
            "Hamlet (1948)",
            "Hamlet (1996)",
            "Lion King, The (1994)",
            "Postino, Il (The Postman) (1994)",
        ]);
        assert_eq!(catalogue.item("Hamlet (1996)"), Ok(ItemId(1)));
        assert_eq!(catalogue.item("The Lion King"), Ok(ItemId(2)));
        assert_eq!(catalogue.item("Postman, The"), Ok(ItemId(3)));
        let twice = catalogue.item("Hamlet").expect_err("two");
        assert_eq!(twice, "\"Hamlet\" is the title of 2 items, expected one");
        let none = catalogue.item("Macbeth (1971)").expect_err("none");
        assert_eq!(none, "\"Macbeth (1971)\" is not the title of an item of the dataset");
    }
}
