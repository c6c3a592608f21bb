//! The text of an item: a template filled in with what the catalogue says of it.
//! Must not know encoders.

use crate::dataset::{Item, Vocabulary};
use crate::scenario::params::Complaint;
use minijinja::{Environment, UndefinedBehavior, context};

/// The text where a scenario gives no template: title, genres, and the summary if there is one.
/// The year stands in brackets unless the title carries it already.
pub const DEFAULT: &str = "{{ title }}{% if year and not title_has_year %} ({{ year }}){% endif %}\
    {% if genres %} {{ genres | join(', ') }}{% endif %}{% if summary %}. {{ summary }}{% endif %}";

/// Characters of a text at most; what is beyond no encoder reads.
const CHARS_MAX: usize = 20_000;

/// A template that has been tried out.
pub struct Template {
    environment: Environment<'static>,
}

impl Template {
    /// Compiles a template found at the dotted path `at` and fills it in once, so that a misspelt
    /// variable is told before anything is encoded.
    pub fn new(at: &str, source: &str) -> Result<Self, Complaint> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let wrong = |error: minijinja::Error| Complaint::WrongType {
            path: at.to_owned(),
            problem: format!("{error}; a template has title, year, genres, summary and profile"),
        };
        environment.add_template_owned("text", source.to_owned()).map_err(wrong)?;
        let template = Template { environment };
        let full = Item {
            title: "x (2000)".to_owned(),
            year: Some(2000),
            summary: Some("x".to_owned()),
            profile: Some("x".to_owned()),
            ..Item::default()
        };
        for item in [full, Item::default()] {
            template.fill(&item, &Vocabulary::new()).map_err(wrong)?;
        }
        Ok(template)
    }

    /// The text of every item, in `ItemId` order; `None` for an item of which the template says nothing.
    ///
    /// # Errors
    /// When filling in fails for an item: a template may do so for some values only.
    pub fn texts(&self, catalogue: &[Item], genres: &Vocabulary) -> Result<Vec<Option<String>>, String> {
        let text = |(number, item): (usize, &Item)| {
            let text = self.fill(item, genres).map_err(|error| format!("text of item {number}: {error}"))?;
            Ok(clean(&text))
        };
        catalogue.iter().enumerate().map(text).collect()
    }

    fn fill(&self, item: &Item, genres: &Vocabulary) -> Result<String, minijinja::Error> {
        let names: Vec<String> =
            item.genres.iter().map(|genre| genres.raw(genre.0.into()).to_owned()).collect();
        let has_year = item.year.is_some_and(|year| item.title.trim_end().ends_with(&format!("({year})")));
        self.environment.get_template("text")?.render(context! {
            title => item.title.trim(),
            year => item.year,
            title_has_year => has_year,
            genres => names,
            summary => item.summary.as_deref().map(str::trim).unwrap_or_default(),
            profile => item.profile.as_deref().map(str::trim).unwrap_or_default(),
        })
    }
}

/// The text on one line and not too long; `None` where nothing is left of it.
pub fn clean(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(word);
    }
    if let Some((end, _)) = clean.char_indices().nth(CHARS_MAX) {
        clean.truncate(end);
    }
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GenreId;

    fn item(title: &str, year: Option<u16>, summary: Option<&str>) -> Item {
        Item { title: title.to_owned(), year, summary: summary.map(str::to_owned), ..Item::default() }
    }

    #[test]
    fn the_default_says_what_there_is_and_the_year_once() {
        let mut genres = Vocabulary::new();
        genres.intern("Comedy");
        genres.intern("Crime");
        let template = Template::new("encoders.x.text", DEFAULT).expect("the default");
        let mut full = item("Fargo (1996)", Some(1996), Some("Snow.\n  And blood."));
        full.genres = vec![GenreId(0), GenreId(1)];
        let items = [full, item("Fargo", Some(1996), None), item("Fargo", None, None), item(" ", None, None)];
        let texts = template.texts(&items, &genres).expect("filled in");
        let expected =
            [Some("Fargo (1996) Comedy, Crime. Snow. And blood."), Some("Fargo (1996)"), Some("Fargo"), None];
        assert_eq!(texts.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_misspelt_variable_is_told_at_once() {
        let told =
            Template::new("encoders.x.text", "{{ titel }}").err().expect("no such variable").to_string();
        assert!(told.contains("encoders.x.text") && told.contains("title, year, genres"), "{told}");
        assert!(Template::new("encoders.x.text", "{{ title").is_err());
    }
}
