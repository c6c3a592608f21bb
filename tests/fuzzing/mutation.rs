//! Small changes of bytes: what a fuzzer does, drawn by proptest, so that a failure shrinks to few of them. Must not
//! know what the bytes mean.

use proptest::prelude::*;

/// What is put in: numbers and characters that readers stumble over.
const TOKENS: &[&[u8]] = &[
    b"nan",
    b"inf",
    b"-inf",
    b"1e999",
    b"-0",
    b"-1",
    b"0",
    b"1152921504606846976",
    b"18446744073709551615",
    b"4294967296",
    b"99999999999999999999999",
    b"null",
    b"\"",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b",",
    b";;",
    b"",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\0\0\0\0\x80",
];

/// One change, at places counted in 65536ths of the length.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// A byte becomes another.
    Byte(u16, u8),
    /// So many bytes go.
    Cut(u16, u8),
    /// The end goes.
    Truncate(u16),
    /// A token is put in, over what is there or beside it.
    Token(u16, usize, bool),
    /// A stretch comes again elsewhere.
    Copy(u16, u16, u8),
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let at = |place: u16| (usize::from(place) * len) >> 16;
        match self {
            Change::Byte(place, byte) if len > 0 => bytes[at(place)] = byte,
            Change::Cut(place, n) => drop(bytes.drain(at(place)..(at(place) + usize::from(n)).min(len))),
            Change::Truncate(place) => bytes.truncate(at(place)),
            Change::Token(place, token, over) => {
                let token = TOKENS[token % TOKENS.len()];
                let end = if over { (at(place) + token.len()).min(len) } else { at(place) };
                bytes.splice(at(place)..end, token.iter().copied());
            }
            Change::Copy(from, to, n) => {
                let stretch = bytes[at(from)..(at(from) + usize::from(n)).min(len)].to_vec();
                bytes.splice(at(to)..at(to), stretch);
            }
            Change::Byte(..) => {}
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => any::<(u16, u8)>().prop_map(|(place, byte)| Change::Byte(place, byte)),
        2 => any::<(u16, u8)>().prop_map(|(place, n)| Change::Cut(place, n)),
        1 => any::<u16>().prop_map(Change::Truncate),
        4 => any::<(u16, usize, bool)>().prop_map(|(place, token, over)| Change::Token(place, token, over)),
        1 => any::<(u16, u16, u8)>().prop_map(|(from, to, n)| Change::Copy(from, to, n)),
    ]
}

/// One of the seeds with up to six changes, or bytes from nowhere.
pub fn changed(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let from_seed = (0..seeds.len(), prop::collection::vec(change(), 0..6));
    prop_oneof![
        9 => from_seed.prop_map(move |(seed, changes)| {
            let mut bytes = seeds[seed].clone();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}
