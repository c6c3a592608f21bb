//! From laid-out text to tokens. Markers (`<|im_end|>`, `</s>`, …) count in the layout and never in what people
//! said: a title that holds one stays text. Must not know templates.
//!
//! The whole prompt is tokenised at once, as the model saw it in training, except that it is cut inside
//! every marker that touches what was said; the tokenizer sees only the two halves.

use super::store::Token;
use super::template::Laid;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use std::ops::Range;

/// What is asked of a vocabulary again and again.
pub struct Vocabulary {
    /// Texts of tokens that are more than their text.
    markers: Vec<String>,
    /// Tokens that belong into no reply, in ascending order.
    pub control: Vec<Token>,
    /// Tokens that end a reply, in ascending order.
    pub ends: Vec<Token>,
    /// The token that is a quotation mark and nothing else.
    pub quote: Option<Token>,
    bos: Option<LlamaToken>,
}

impl Vocabulary {
    /// Looks through a model's vocabulary.
    pub fn new(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut found =
            Vocabulary { markers: Vec::new(), control: Vec::new(), ends: Vec::new(), quote: None, bos: None };
        for token in vocab.tokens() {
            let attributes = vocab.attr(token);
            let hidden =
                attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::Unknown);
            if vocab.is_eog(token) {
                found.ends.push(token.0);
            } else if hidden {
                found.control.push(token.0);
            }
            let text = vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
            // Some files declare their markers as words of the user's, together with plain words.
            let bracketed = text.starts_with(['<', '[', '{', '|']) && text.len() > 2;
            let declared = attributes.contains(LlamaTokenAttr::UserDefined) && bracketed;
            if !text.is_empty() && (hidden || declared || vocab.is_eog(token)) {
                found.markers.push(text);
            }
        }
        found.quote = vocab.tokens().map(|token| token.0).find(|&token| {
            let mut bytes = Vec::with_capacity(16);
            vocab.token_to_piece_into(LlamaToken(token), &mut bytes, false, None);
            bytes == b"\""
        });
        found.bos = (vocab.should_add_bos() && vocab.bos().0 >= 0).then(|| vocab.bos());
        found
    }

    /// The tokens of a laid-out conversation, the first one in front if the model wants it and the layout lacks it.
    pub fn prompt(&self, model: &LlamaModel, laid: &Laid) -> Vec<Token> {
        let vocab = model.vocab();
        let cuts = cuts(laid, &self.markers);
        let mut tokens: Vec<LlamaToken> = Vec::with_capacity(laid.text.len() / 2 + 8);
        for piece in pieces(laid.text.len(), &cuts) {
            let said = laid.contents.iter().any(|range| range.start <= piece.start && piece.end <= range.end);
            tokens.extend(vocab.tokenize(&laid.text.as_bytes()[piece], false, !said));
        }
        self.with_first(tokens)
    }

    /// The tokens of a bare text without markers, the model's first one in front.
    pub fn text(&self, model: &LlamaModel, text: &str) -> Vec<Token> {
        self.with_first(model.vocab().tokenize(text.as_bytes(), false, false))
    }

    fn with_first(&self, mut tokens: Vec<LlamaToken>) -> Vec<Token> {
        if let Some(bos) = self.bos.filter(|bos| tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        tokens.into_iter().map(|token| token.0).collect()
    }
}

/// The pieces between cuts.
fn pieces(len: usize, cuts: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(len));
    starts.zip(ends).map(|(start, end)| start..end).filter(|range| !range.is_empty())
}

/// Where to cut so that no marker that touches what was said stays whole; ascending.
fn cuts(laid: &Laid, markers: &[String]) -> Vec<usize> {
    let mut said = [false; 256];
    let mut shortest = usize::MAX;
    for range in laid.contents.iter().filter(|range| !range.is_empty()) {
        shortest = shortest.min(range.len());
        laid.text.as_bytes()[range.clone()].iter().for_each(|byte| said[usize::from(*byte)] = true);
    }
    let mut cuts = Vec::new();
    for marker in markers {
        let (Some(first), Some(last)) = (marker.bytes().next(), marker.bytes().last()) else { continue };
        // A marker that touches begins in it, ends in it, or is longer than it.
        if !said[usize::from(first)] && !said[usize::from(last)] && marker.len() <= shortest {
            continue;
        }
        let width = marker.chars().next().map_or(1, char::len_utf8);
        let mut from = 0;
        while let Some(at) = laid.text[from..].find(marker.as_str()).map(|found| from + found) {
            let (start, end) = (at, at + marker.len());
            if laid.contents.iter().any(|range| start < range.end && range.start < end) {
                cuts.push(start + width);
                if width == marker.len() {
                    // It cannot be halved, so it stands alone and is read as text.
                    cuts.push(start);
                }
            }
            from = at + width;
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[(&str, bool)], markers: &[&str]) -> Vec<String> {
        let mut laid = Laid { text: String::new(), contents: Vec::new() };
        for (part, said) in parts {
            let start = laid.text.len();
            laid.text.push_str(part);
            if *said {
                laid.contents.push(start..laid.text.len());
            }
        }
        let markers: Vec<String> = markers.iter().map(|marker| (*marker).to_owned()).collect();
        let cuts = cuts(&laid, &markers);
        pieces(laid.text.len(), &cuts).map(|range| laid.text[range].to_owned()).collect()
    }

    #[test]
    fn markers_are_cut_where_they_touch_what_was_said_and_nowhere_else() {
        assert_eq!(cut(&[("<e>", false), ("hello", true), ("<e>", false)], &["<e>"]), ["<e>hello<e>"]);
        assert_eq!(cut(&[("<e>", false), ("a<e>b", true), ("<e>", false)], &["<e>"]), ["<e>a<", "e>b<e>"]);
        // Half said, half laid out.
        assert_eq!(cut(&[("x", false), ("<", true), ("e>", false)], &["<e>"]), ["x<", "e>"]);
        // Said in the middle of a marker.
        assert_eq!(cut(&[("<", false), ("e", true), (">", false)], &["<e>"]), ["<", "e>"]);
        // Overlapping, and a marker of one character.
        assert_eq!(cut(&[("aaa", true)], &["aa"]), ["a", "a", "a"]);
        assert_eq!(cut(&[("a§b", true)], &["§"]), ["a", "§", "b"]);
    }
}
