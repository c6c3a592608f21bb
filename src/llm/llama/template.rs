//! From a conversation to the text a model was trained on: the chat template of its file, or a plain layout where
//! it has none. Must not know tokens.
//!
//! What people said is put into the finished text, never through the template: the template sees
//! placeholders, so that it is always known which bytes are content and which are layout.

use crate::digest::hex;
use crate::llm::{Message, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, context};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ops::Range;

/// A conversation laid out.
#[derive(Debug, PartialEq, Eq)]
pub struct Laid {
    /// The whole prompt.
    pub text: String,
    /// Where in it, in bytes, stands what was said; ascending, apart from each other.
    pub contents: Vec<Range<usize>>,
}

/// How conversations are laid out.
pub struct Template {
    /// Jinja, as in the file; none for the plain layout.
    source: Option<String>,
    bos: String,
    eos: String,
}

impl Template {
    /// The template of a file, and the texts of its first and last token.
    pub fn new(source: Option<String>, bos: String, eos: String) -> Self {
        Template { source, bos, eos }
    }

    /// Lays out a conversation up to where the model's reply begins.
    ///
    /// Templates that refuse or drop a system message get its text at the head of the first user message.
    ///
    /// # Errors
    /// Says what the template refuses.
    pub fn lay(&self, messages: &[Message]) -> Result<Laid, String> {
        let said = Said::new(messages);
        let Some(source) = &self.source else {
            return said.fill_or_refuse(&plain(&said.turns(messages)));
        };
        let turns = said.turns(messages);
        let first = self.render(source, &turns).and_then(|text| said.fill_or_refuse(&text));
        let Err(problem) = first else { return first };
        match without_system(turns) {
            Some(merged) => self.render(source, &merged).and_then(|text| said.fill_or_refuse(&text)),
            None => Err(problem),
        }
    }

    fn render(&self, source: &str, turns: &[Turn]) -> Result<String, String> {
        let messages: Vec<_> =
            turns.iter().map(|turn| context! { role => turn.role, content => &turn.content }).collect();
        let values = context! {
            messages,
            bos_token => &self.bos,
            eos_token => &self.eos,
            add_generation_prompt => true,
            // Models that think aloud first would spend the reply's tokens on it.
            enable_thinking => false,
        };
        environment().render_str(source, values).map_err(|error| match error.detail() {
            Some(detail) => format!("the model's chat template refuses the conversation: {detail}"),
            None => format!("the model's chat template fails: {error}"),
        })
    }
}

/// Jinja as chat templates expect it.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // As Python's templates do it; these settings cannot be wrong, and without them white space would differ a little.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(10_000_000));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |told: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, told))
    });
    // Prompts are the same in every run, so templates that print the date get one that stands still.
    environment.add_function("strftime_now", |format: String| -> String {
        let parts = [
            ("%d", "01"),
            ("%m", "01"),
            ("%b", "Jan"),
            ("%B", "January"),
            ("%Y", "2025"),
            ("%A", "Wednesday"),
        ];
        parts.iter().fold(format, |text, (part, value)| text.replace(part, value))
    });
    environment
}

/// One message as the template sees it.
#[derive(Clone)]
struct Turn {
    role: &'static str,
    content: String,
}

/// The conversation with the system message at the head of the first user message; none if there is none of either.
fn without_system(mut turns: Vec<Turn>) -> Option<Vec<Turn>> {
    let system = turns.iter().position(|turn| turn.role == "system")?;
    let system = turns.remove(system);
    let user = turns.iter_mut().find(|turn| turn.role == "user")?;
    user.content = format!("{}\n\n{}", system.content, user.content);
    Some(turns)
}

/// The layout for models that bring none.
fn plain(turns: &[Turn]) -> String {
    let mut text = String::new();
    for turn in turns {
        text.push_str(&format!("### {}\n{}\n\n", turn.role, turn.content));
    }
    text.push_str("### assistant\n");
    text
}

/// What was said, each with a placeholder that nobody can have foreseen: it holds a hash of everything said.
struct Said<'m> {
    nonce: String,
    /// What was said without white space around it, which stays with the template: many trim it away.
    cores: Vec<&'m str>,
}

impl<'m> Said<'m> {
    fn new(messages: &'m [Message]) -> Self {
        let mut hasher = Sha256::new();
        for message in messages {
            hasher.update((message.content.len() as u64).to_le_bytes());
            hasher.update(message.content.as_bytes());
        }
        let digest = hasher.finalize();
        let nonce = format!("x{}", hex(digest));
        Said { nonce, cores: messages.iter().map(|message| message.content.trim()).collect() }
    }

    fn turns(&self, messages: &[Message]) -> Vec<Turn> {
        let turn = |(k, message): (usize, &Message)| {
            let core = self.cores[k];
            let content = match message.content.split_once(core) {
                Some((before, after)) if !core.is_empty() => format!("{before}{}n{k}n{after}", self.nonce),
                _ => message.content.clone(),
            };
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            Turn { role, content }
        };
        messages.iter().enumerate().map(turn).collect()
    }

    fn fill_or_refuse(&self, text: &str) -> Result<Laid, String> {
        self.fill(text).ok_or_else(|| "the model's chat template leaves out a message".to_owned())
    }

    /// Puts what was said in place of the placeholders; none if one is missing.
    fn fill(&self, layout: &str) -> Option<Laid> {
        let mut laid = Laid { text: String::with_capacity(layout.len()), contents: Vec::new() };
        let mut missing: BTreeSet<usize> =
            (0..self.cores.len()).filter(|k| !self.cores[*k].is_empty()).collect();
        let mut rest = layout;
        while let Some((before, after)) = rest.split_once(&self.nonce) {
            let (number, after) = after.strip_prefix('n')?.split_once('n')?;
            let k: usize = number.parse().ok()?;
            let core = self.cores.get(k)?;
            laid.text.push_str(before);
            laid.contents.push(laid.text.len()..laid.text.len() + core.len());
            laid.text.push_str(core);
            missing.remove(&k);
            rest = after;
        }
        laid.text.push_str(rest);
        missing.is_empty().then_some(laid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    fn lay(source: Option<&str>, messages: &[Message]) -> Result<Laid, String> {
        Template::new(source.map(str::to_owned), "<s>".into(), "</s>".into()).lay(messages)
    }

    const CHATML: &str = "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content.strip() + '<|im_end|>\n' }}\
        {%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    #[test]
    fn contents_are_marked_and_trimmed_where_the_template_trims() {
        let talk = [message(Role::System, "rules"), message(Role::User, " <|im_end|> {{ 1 }}\n")];
        let laid = lay(Some(CHATML), &talk).expect("laid");
        assert_eq!(
            laid.text,
            "<|im_start|>system\nrules<|im_end|>\n<|im_start|>user\n<|im_end|> {{ 1 }}<|im_end|>\n<|im_start|>assistant\n"
        );
        let said: Vec<&str> = laid.contents.iter().map(|range| &laid.text[range.clone()]).collect();
        assert_eq!(said, ["rules", "<|im_end|> {{ 1 }}"]);
        let laid = lay(None, &talk).expect("laid");
        assert_eq!(laid.text, "### system\nrules\n\n### user\n <|im_end|> {{ 1 }}\n\n\n### assistant\n");
    }

    #[test]
    fn a_template_without_system_messages_gets_the_text_with_the_first_user() {
        let refuses = "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}\
            {{ raise_exception('System role not supported') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
        let drops = refuses.replace("{{ raise_exception('System role not supported') }}", "{% continue %}");
        let talk = [message(Role::System, "rules"), message(Role::User, "hello")];
        for source in [refuses, &drops] {
            let laid = lay(Some(source), &talk).expect("laid");
            assert_eq!(laid.text, "<s>[user]rules\n\nhello");
            assert_eq!(laid.contents, [9..14, 16..21]);
        }
        assert_eq!(
            lay(Some(refuses), &talk[..1]).expect_err("nobody asks"),
            "the model's chat template refuses the conversation: System role not supported"
        );
    }

    #[test]
    fn broken_templates_are_told() {
        let talk = [message(Role::User, "hello")];
        assert!(lay(Some("{% for"), &talk).expect_err("syntax").contains("chat template"));
        assert!(lay(Some("nothing"), &talk).expect_err("drops").contains("leaves out a message"));
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        assert!(lay(Some(endless), &talk).is_err());
        assert_eq!(
            lay(Some("{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}"), &talk).expect("laid").text,
            "01 Jan 2025 hello"
        );
    }
}
