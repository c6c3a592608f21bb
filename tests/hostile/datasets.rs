//! Data of every source.

use super::case::{Case, Content};

/// A scenario whose data is in `d`.
fn scenario(source: &str, more: &str) -> String {
    let path = if more.contains("path =") { "" } else { "path = \"d\"\n" };
    format!("[arms.popular]\n[dataset]\nsource = \"{source}\"\n{path}{more}\n")
}

const CSV: &str = "`source = \"csv\"`";
const MOVIELENS: &str = "`source = \"movielens\"`";
const SEQUENCES: &str = "`source = \"sequences\"`";

fn csv(what: &'static str, bytes: &[u8], says: &'static str) -> Case {
    Case::run(CSV, what, scenario("csv", "path = \"r.csv\"\nrating = \"rating\""), says).file("r.csv", bytes)
}

fn csv_holding(what: &'static str, content: Content, says: &'static str) -> Case {
    Case::run(CSV, what, scenario("csv", "path = \"r.csv\""), says).content("r.csv", content)
}

fn row(cells: &str) -> Vec<u8> {
    format!("user_id,item_id,rating\n1,10,4\n{cells}\n").into_bytes()
}

fn movielens(what: &'static str, ratings: &[u8], says: &'static str) -> Case {
    let movies = "10::Heat (1995)::Action|Crime\n";
    Case::run(MOVIELENS, what, scenario("movielens", ""), says)
        .file("d/ratings.dat", ratings)
        .file("d/movies.dat", movies)
}

pub fn cases() -> Vec<Case> {
    vec![
        csv("an empty table", b"", "DIR/r.csv: is empty, expected a header row"),
        csv("a header and nothing else", b"user_id,item_id,rating\n", "DIR/r.csv: holds no interactions, expected at least one"),
        csv("a rating that is not a number", &row("1,20,NaN"), "DIR/r.csv:3:3: found \"NaN\", expected a rating, a finite number"),
        csv("an infinite rating", &row("1,20,inf"), "DIR/r.csv:3:3: found \"inf\", expected a rating, a finite number"),
        csv("a rating of 1e999", &row("1,20,1e999"), "DIR/r.csv:3:3: found \"1e999\", expected a rating, a finite number"),
        csv("a NUL byte for a rating", &row("1,20,\0"), "DIR/r.csv:3:3: found \"\\0\", expected a rating, a finite number"),
        csv("an id of a million letters", &row(&format!("{},20,4", "x".repeat(1_000_000))), "xxx…\", expected a user id, 1 to 256 bytes of UTF-8 text"),
        csv("an id that is no UTF-8", b"user_id,item_id,rating\n\xff\xfe,10,4\n", "DIR/r.csv:2:1: found \"\u{fffd}\u{fffd}\", expected a user id, 1 to 256 bytes of UTF-8 text"),
        csv("a row that is too short", &row("1,20"), "DIR/r.csv:3:2: found \"1,20\", expected 3 columns"),
        csv("column names that move the cursor", b"\x1b[2J,item_id,rating\n1,2,3\n", "DIR/r.csv: has no column `user_id`; its columns are \\u{1b}[2J, item_id, rating"),
        csv("a table in UTF-16", b"\xff\xfeu\0s\0", "DIR/r.csv: is UTF-16 text, expected UTF-8"),
        csv("a compressed table", b"\x1f\x8b\x08\0\0", "DIR/r.csv: is gzip-compressed, expected plain text; unpack it first"),
        csv("a zip archive", b"PK\x03\x04\x14\0", "DIR/r.csv: is a zip archive, expected plain text; unpack it first"),
        csv_holding("a quote that is never closed, and 40 MB after it", Content::Made(|| {
            [b"user_id,item_id\n1,\"".as_slice(), &b"x,\n".repeat(14_000_000)].concat()
        }), "DIR/r.csv: line 2: a row is longer than 16777216 bytes; is a quote left open?"),
        csv_holding("twenty million columns", Content::Made(|| b",".repeat(20_000_000)), "DIR/r.csv: line 1: a row is longer than 16777216 bytes"),
        csv_holding("a folder for a table", Content::Folder, "DIR/r.csv: is a folder, expected a file"),
        csv_holding("a table that links to itself", Content::Link("r.csv"), "cannot read DIR/r.csv: Too many levels of symbolic links"),
        csv_holding("a table that nobody may read", Content::Locked, "cannot read DIR/r.csv: Permission denied"),
        Case::run(CSV, "items that are told of twice", scenario("csv", "path = \"r.csv\"\nitems = { path = \"i.csv\" }"), "DIR/i.csv:3:1: found \"10\", expected an item id that no row above has")
            .file("r.csv", "user_id,item_id\n1,10\n")
            .file("i.csv", "item_id\n10\n10\n"),
        movielens("a rating beyond the scale", b"1::10::9::7\n", "DIR/d/ratings.dat:1:3: found \"9\", expected a rating from 0.5 to 5"),
        movielens("a user id in words", b"one::10::4::7\n", "DIR/d/ratings.dat:1:1: found \"one\", expected a user id, a whole number"),
        movielens("a moment that no clock shows", b"1::10::4::1e300\n", "DIR/d/ratings.dat:1:4: found \"1e300\", expected a timestamp in seconds"),
        movielens("a line of two megabytes", &b"9".repeat(2 << 20), "DIR/d/ratings.dat: line 1 is longer than 1048576 bytes, expected a table"),
        Case::run(MOVIELENS, "a folder that holds no data", scenario("movielens", ""), "DIR/d: holds no MovieLens data, expected ratings.dat, u.data, *.inter or ratings.csv").content("d", Content::Folder),
        Case::run("`source = \"agent4rec\"`", "an item number that is negative", scenario("agent4rec", ""), "DIR/d/cf_data/train.txt:1:3: found \"-2\", expected an item number")
            .file("d/cf_data/train.txt", "0 1 -2\n").file("d/cf_data/valid.txt", "").file("d/cf_data/test.txt", ""),
        Case::run("`source = \"agent4rec\"`", "a persona of a tier that there is not", scenario("agent4rec", ""), "user_statistic.csv:2:3: found \"7\", expected a tier: 1, 2 or 3")
            .file("d/cf_data/train.txt", "0 1 2\n").file("d/cf_data/valid.txt", "").file("d/cf_data/test.txt", "")
            .file("d/simulation/user_statistic.csv", "user_id,activity,diversity,conformity\n0,1,7,3\n")
            .file("d/simulation/all_personas_like.csv", "taste\nlikes war\n"),
        Case::run("`source = \"coat\"`", "a matrix with rows of two lengths", scenario("coat", ""), "DIR/d/train.ascii:2:2: found \"0 2\", expected 3 columns separated by blanks, there are 2")
            .file("d/train.ascii", "5 0 3\n0 2\n").file("d/test.ascii", "0 2 0\n1 0 0\n"),
        Case::run("`source = \"jester\"`", "texts 100,000 lists deep", scenario("jester", ""), "DIR/d/jokes.json: is not an object of joke numbers and texts: invalid type: sequence")
            .file("d/r.csv", "1.5,2\n").file("d/jokes.json", "[".repeat(100_000)),
        Case::run("`source = \"jester\"`", "two tables where one is expected", scenario("jester", ""), "DIR/d: holds 2 .csv files, expected one, or `ratings` to name it")
            .file("d/a.csv", "1,2\n").file("d/b.csv", "1,2\n"),
        Case::run(SEQUENCES, "a person without items", scenario("sequences", "path = \"s.txt\""), "DIR/s.txt:1:2: found \"\", expected an item id after the user's").file("s.txt", "1\n"),
        Case::run(SEQUENCES, "a sequence with bytes that are no UTF-8", scenario("sequences", "path = \"s.txt\""), "DIR/s.txt:1:3: found \"\u{fffd}\u{fffd}\", expected an item id")
            .file("s.txt", b"1 2 \xff\xff\n".to_vec()),
        Case::run("`[profiles]`", "profiles of items that there are not", "[arms.popular]\n[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\n[profiles]\nitems = \"p.toml\"\n", "DIR/p.toml: items.\"nobody\" is not in the dataset; expected raw ids as in its files")
            .file("p.toml", "[items]\nnobody = \"x\"\n"),
    ]
}
