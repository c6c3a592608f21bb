//! The grammar of assertions, from text to a tree. Must not know which paths there are.
//!
//! ```text
//! any        = all { "or" all }
//! all        = single { "and" single }
//! single     = "not" single | comparison
//! comparison = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }      a < b < c is a < b and b < c
//! sum        = product { ("+" | "-") product }
//! product    = factor { ("*" | "/") factor }
//! factor     = "-" factor | number | path | "abs" "(" any ")" | "(" any ")"
//! path       = name { "." name }
//! name       = letters, digits and _ @ ~ - or anything in double quotes
//! ```
//!
//! A `-` inside a name belongs to it, so a difference is written with blanks: `arms.new.s_sat - 0.1`.

use super::assertion::{AssertionError, Compare, Operator};

/// Characters of an assertion at most: bounds how deep a tree can be.
const LENGTH_MAX: usize = 2000;

/// Parentheses, `not` and signs inside each other at most.
const DEPTH_MAX: usize = 50;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A number.
    Number(f64),
    /// A value of the run.
    Path(String),
    /// Less than none.
    Negative(Box<Tree>),
    /// Without its sign.
    Absolute(Box<Tree>),
    /// Two numbers made one.
    Operation(Operator, Box<Tree>, Box<Tree>),
    /// Numbers compared, each with the next.
    Comparison(Box<Tree>, Vec<(Compare, Tree)>),
    /// Both.
    And(Box<Tree>, Box<Tree>),
    /// Either.
    Or(Box<Tree>, Box<Tree>),
    /// The contrary.
    Not(Box<Tree>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Path(String),
    And,
    Or,
    Not,
    Absolute,
    Compare(Compare),
    Operator(Operator),
    Open,
    Close,
}

/// The tree of an assertion.
pub fn parse(text: &str) -> Result<Tree, AssertionError> {
    if text.chars().count() > LENGTH_MAX {
        return Err(AssertionError::Syntax {
            column: LENGTH_MAX,
            problem: format!("is longer than {LENGTH_MAX} characters"),
        });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.chars().count() + 1, depth: 0 };
    let tree = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(tree),
        Some(_) => Err(parser.problem("expected an operator, or the end")),
    }
}

/// Tokens with the columns they start at, from 1.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, AssertionError> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        let column = at + 1;
        let (token, length) = match (letter, next) {
            (blank, _) if blank.is_whitespace() => {
                at += 1;
                continue;
            }
            ('<', Some('=')) => (Token::Compare(Compare::AtMost), 2),
            ('>', Some('=')) => (Token::Compare(Compare::AtLeast), 2),
            ('=', Some('=')) => (Token::Compare(Compare::Equal), 2),
            ('!', Some('=')) => (Token::Compare(Compare::Unequal), 2),
            ('<', _) => (Token::Compare(Compare::Below), 1),
            ('>', _) => (Token::Compare(Compare::Above), 1),
            ('+', _) => (Token::Operator(Operator::Plus), 1),
            ('-', _) => (Token::Operator(Operator::Minus), 1),
            ('*', _) => (Token::Operator(Operator::Times), 1),
            ('/', _) => (Token::Operator(Operator::By), 1),
            ('(', _) => (Token::Open, 1),
            (')', _) => (Token::Close, 1),
            ('0'..='9', _) => number(&letters, at)?,
            ('.', Some('0'..='9')) => number(&letters, at)?,
            (letter, _) if is_of_name(letter) || letter == '"' => path(&letters, at)?,
            _ => {
                let problem = format!("{letter:?} means nothing here");
                return Err(AssertionError::Syntax { column, problem });
            }
        };
        tokens.push((column, token));
        at += length;
    }
    Ok(tokens)
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || "_@~-".contains(letter)
}

/// Digits with at most one dot, and an exponent.
fn number(letters: &[char], start: usize) -> Result<(Token, usize), AssertionError> {
    let mut end = start;
    while let Some(&letter) = letters.get(end) {
        let is_sign = "+-".contains(letter) && end > start && "eE".contains(letters[end - 1]);
        if !(letter.is_ascii_alphanumeric() || letter == '.' || is_sign) {
            break;
        }
        end += 1;
    }
    let text: String = letters[start..end].iter().collect();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((Token::Number(number), end - start)),
        _ => {
            let problem = format!("{text:?} is no number; names that begin with a digit are put in quotes");
            Err(AssertionError::Syntax { column: start + 1, problem })
        }
    }
}

/// Names between dots, or one of the words.
fn path(letters: &[char], start: usize) -> Result<(Token, usize), AssertionError> {
    let bad =
        |at: usize, problem: &str| AssertionError::Syntax { column: at + 1, problem: problem.to_owned() };
    let mut path = String::new();
    let mut at = start;
    loop {
        if letters.get(at) == Some(&'"') {
            let rest = &letters[at + 1..];
            let length = rest.iter().position(|&letter| letter == '"');
            let length = length.ok_or_else(|| bad(at, "a quote is never closed"))?;
            path.extend(&rest[..length]);
            at += length + 2;
        } else {
            let length = letters[at..].iter().take_while(|&&letter| is_of_name(letter)).count();
            if length == 0 {
                return Err(bad(at, "a name is missing"));
            }
            path.extend(&letters[at..at + length]);
            at += length;
        }
        if letters.get(at) != Some(&'.') {
            break;
        }
        path.push('.');
        at += 1;
    }
    let is_word = letters[start] != '"';
    let token = match path.as_str() {
        "and" if is_word => Token::And,
        "or" if is_word => Token::Or,
        "not" if is_word => Token::Not,
        "abs" if is_word => Token::Absolute,
        _ => Token::Path(path),
    };
    Ok((token, at - start))
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    /// The column behind the last.
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn problem(&self, problem: &str) -> AssertionError {
        let column = self.tokens.get(self.at).map_or(self.end, |(column, _)| *column);
        AssertionError::Syntax { column, problem: problem.to_owned() }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    /// One level further in.
    fn inside(&mut self, of: fn(&mut Self) -> Result<Tree, AssertionError>) -> Result<Tree, AssertionError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.problem(&format!("is nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let tree = of(self);
        self.depth -= 1;
        tree
    }

    fn any(&mut self) -> Result<Tree, AssertionError> {
        let mut tree = self.all()?;
        while self.takes(&Token::Or) {
            tree = Tree::Or(Box::new(tree), Box::new(self.all()?));
        }
        Ok(tree)
    }

    fn all(&mut self) -> Result<Tree, AssertionError> {
        let mut tree = self.single()?;
        while self.takes(&Token::And) {
            tree = Tree::And(Box::new(tree), Box::new(self.single()?));
        }
        Ok(tree)
    }

    fn single(&mut self) -> Result<Tree, AssertionError> {
        if self.takes(&Token::Not) {
            return Ok(Tree::Not(Box::new(self.inside(Self::single)?)));
        }
        let first = self.sum()?;
        let mut others = Vec::new();
        while let Some(Token::Compare(compare)) = self.peek() {
            let compare = *compare;
            self.at += 1;
            others.push((compare, self.sum()?));
        }
        Ok(if others.is_empty() { first } else { Tree::Comparison(Box::new(first), others) })
    }

    fn sum(&mut self) -> Result<Tree, AssertionError> {
        let mut tree = self.product()?;
        while let Some(Token::Operator(operator @ (Operator::Plus | Operator::Minus))) = self.peek() {
            let operator = *operator;
            self.at += 1;
            tree = Tree::Operation(operator, Box::new(tree), Box::new(self.product()?));
        }
        Ok(tree)
    }

    fn product(&mut self) -> Result<Tree, AssertionError> {
        let mut tree = self.factor()?;
        while let Some(Token::Operator(operator @ (Operator::Times | Operator::By))) = self.peek() {
            let operator = *operator;
            self.at += 1;
            tree = Tree::Operation(operator, Box::new(tree), Box::new(self.factor()?));
        }
        Ok(tree)
    }

    fn factor(&mut self) -> Result<Tree, AssertionError> {
        if self.takes(&Token::Operator(Operator::Minus)) {
            return Ok(Tree::Negative(Box::new(self.inside(Self::factor)?)));
        }
        if self.takes(&Token::Absolute) {
            if !self.takes(&Token::Open) {
                return Err(self.problem("expected ( behind abs"));
            }
            return Ok(Tree::Absolute(Box::new(self.closed()?)));
        }
        if self.takes(&Token::Open) {
            return self.closed();
        }
        let tree = match self.peek() {
            Some(Token::Number(number)) => Tree::Number(*number),
            Some(Token::Path(path)) => Tree::Path(path.clone()),
            _ => return Err(self.problem("expected a number, a value such as arms.mf.s_sat, or (")),
        };
        self.at += 1;
        Ok(tree)
    }

    /// What is between parentheses, of which the first is taken already.
    fn closed(&mut self) -> Result<Tree, AssertionError> {
        let tree = self.inside(Self::any)?;
        if self.takes(&Token::Close) { Ok(tree) } else { Err(self.problem("expected )")) }
    }
}
