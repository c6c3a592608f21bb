//! Broken data of every kind, each with its one-line answer.

use crate::{Folder, ITEMS, MOVIES};
use windtunnel::dataset;

/// A broken case: source, parameters, files, the one line expected.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [u8])], &'a str);

/// Every case fails with its line; with `on_bad_row = "skip"`, bad rows are counted and the rest is read.
fn check(cases: &[Case<'_>]) {
    for (source, toml, files, expected) in cases {
        let found = Folder::with(files).load(source, toml).map(|d| d.interactions.len());
        assert_eq!(found.as_ref().err().map(String::as_str), Some(*expected), "{source} {toml} {files:?}");
        assert!(!expected.contains('\n'));
    }
}

#[test]
fn broken_movielens_dat() {
    let row = |bytes: &'static [u8]| [("ratings.dat", bytes), ("movies.dat", MOVIES)];
    let dat = |bytes: &'static [u8], expected: &'static str| {
        check(&[("movielens", "", &row(bytes), expected)]);
    };
    dat(
        b"1::10::4",
        "DIR/ratings.dat:1:3: found \"1::10::4\", expected 4 columns separated by ::, there are 3",
    );
    dat(
        b"1::10::4::7\n1::20::4::7::9\n",
        "DIR/ratings.dat:2:4: found \"1::20::4::7::9\", expected 4 columns separated by ::, there are 5",
    );
    dat(
        b"1::10::4::7\n\n1::20::six::7\n",
        "DIR/ratings.dat:3:3: found \"six\", expected a rating from 0.5 to 5",
    );
    dat(b"1::10::NaN::7\n", "DIR/ratings.dat:1:3: found \"NaN\", expected a rating from 0.5 to 5");
    dat(b"1::10::inf::7\n", "DIR/ratings.dat:1:3: found \"inf\", expected a rating from 0.5 to 5");
    dat(b"1::10::0::7\n", "DIR/ratings.dat:1:3: found \"0\", expected a rating from 0.5 to 5");
    dat(b"1::10::::7\n", "DIR/ratings.dat:1:3: found \"\", expected a rating from 0.5 to 5");
    dat(b"1::10::5.5::7\r\n", "DIR/ratings.dat:1:3: found \"5.5\", expected a rating from 0.5 to 5");
    dat(b"x1::10::4::7\n", "DIR/ratings.dat:1:1: found \"x1\", expected a user id, a whole number");
    dat(b"1::::4::7\n", "DIR/ratings.dat:1:2: found \"\", expected an item id, a whole number");
    dat(b"1::-10::4::7\n", "DIR/ratings.dat:1:2: found \"-10\", expected an item id, a whole number");
    dat(b"1::10::4::noon\n", "DIR/ratings.dat:1:4: found \"noon\", expected a timestamp in seconds");
    dat(b"1::10::4::1e99\n", "DIR/ratings.dat:1:4: found \"1e99\", expected a timestamp in seconds");
    dat(b"1::10::4::\xff\n", "DIR/ratings.dat:1:4: found \"\u{fffd}\", expected a timestamp in seconds");
    dat(b"", "DIR: holds no interactions, expected at least one");
    dat(b"\xef\xbb\xbf\r\n\r\n", "DIR: holds no interactions, expected at least one");
    dat(b"\x1f\x8b\x08\x00", "DIR/ratings.dat: is gzip-compressed, expected plain text; unpack it first");
    dat(b"PK\x03\x04", "DIR/ratings.dat: is a zip archive, expected plain text; unpack it first");
    dat(b"\xff\xfe1\0", "DIR/ratings.dat: is UTF-16 text, expected UTF-8");
    let good: (&str, &[u8]) = ("ratings.dat", b"1::10::4::7\n");
    check(&[
        ("movielens", "", &[good], "cannot read DIR/movies.dat: No such file or directory (os error 2)"),
        ("movielens", "", &[good, ("movies.dat/", b"")], "DIR/movies.dat: is a folder, expected a file"),
        ("movielens", "", &[("ratings.dat/", b"")], "DIR/ratings.dat: is a folder, expected a file"),
        (
            "movielens",
            "",
            &[good, ("movies.dat", b"10::Heat (1995)::Action\n10::Heat::Crime\n")],
            "DIR/movies.dat:2:1: found \"10\", expected an item id that no row above has",
        ),
        (
            "movielens",
            "",
            &[good, ("movies.dat", b"10::  ::Action\n")],
            "DIR/movies.dat:1:2: found \"\", expected a title",
        ),
        (
            "movielens",
            "",
            &[good, ("movies.dat", b"10::Heat\n")],
            "DIR/movies.dat:1:2: found \"10::Heat\", expected 3 columns separated by ::, there are 2",
        ),
        (
            "movielens",
            "",
            &[good, ("movies.dat", MOVIES), ("users.dat", b"1::F::1::10\n")],
            "DIR/users.dat:1:4: found \"1::F::1::10\", expected 5 columns separated by ::, there are 4",
        ),
    ]);
    let long = [b"1::10::4::7\n".as_slice(), &[b'9'; 2 << 20]].concat();
    check(&[(
        "movielens",
        "",
        &[("ratings.dat", &long)],
        "DIR/ratings.dat: line 2 is longer than 1048576 bytes, expected a table",
    )]);
}

#[test]
fn broken_folders_and_parameters() {
    check(&[
        (
            "movielens",
            "",
            &[("readme.txt", b"")],
            "DIR: holds no MovieLens data, expected ratings.dat, u.data, *.inter or ratings.csv",
        ),
        (
            "movielens",
            "path = 'absent'",
            &[],
            "cannot read DIR/absent: No such file or directory (os error 2)",
        ),
        (
            "movielens",
            "path = 'ratings.csv'",
            &[("ratings.csv", b"")],
            "cannot read DIR/ratings.csv: Not a directory (os error 20)",
        ),
        (
            "movielens",
            "path = ''",
            &[],
            "dataset.path is \"\", must be the folder that holds the MovieLens files",
        ),
        (
            "movielens",
            "on_bad_rows = 'skip'",
            &[],
            "unknown key `dataset.on_bad_rows`, did you mean `on_bad_row`?; \
             expected one of: format, on_bad_row, path, summaries",
        ),
        (
            "csv",
            "delimiter = ';;'",
            &[],
            "dataset.delimiter is \";;\", must be one ASCII character, no quote and no line break",
        ),
        (
            "csv",
            "header = false",
            &[],
            "dataset.user is \"user_id\", must be a column number where there is no header",
        ),
        ("csv", "user = 0", &[], "dataset.user is 0, must be a column number from 1, or a name"),
        (
            "csv",
            "rating_range = [5, 1]",
            &[],
            "dataset.rating_range is [5, 1], must be two finite numbers, the lower one first",
        ),
        ("csv", "items = {}", &[], "dataset.items.path is missing: the file of items"),
        (
            "csv",
            "items = { path = 'i.csv', tilte = 'x' }",
            &[],
            "unknown key `dataset.items.tilte`, did you mean `title`?; expected one of: \
             delimiter, genre_separator, genres, header, id, path, summary, title, year",
        ),
        (
            "synthetic",
            "n_users = 0\npath = 1",
            &[],
            "unknown key `dataset.path`; expected one of: mean_interactions, n_factors, n_genres, n_items, n_users, popularity_exponent, seed, taste_share",
        ),
    ]);
    let kind = dataset::kind("movielens").expect("listed");
    let complaint = kind.check("dataset", &toml::Table::new()).err().expect("path is missing");
    assert_eq!(complaint.to_string(), "dataset.path is missing: the folder that holds the MovieLens files");
    let kind = dataset::kind("synthetic").expect("listed");
    let complaint =
        |toml: &str| kind.check("dataset", &toml.parse().expect("TOML")).err().map(|c| c.to_string());
    assert_eq!(complaint("n_users = 0").as_deref(), Some("dataset.n_users is 0, must be 1..=10000000"));
    assert_eq!(complaint("taste_share = nan").as_deref(), Some("dataset.taste_share is NaN, must be 0..=1"));
}

#[test]
fn broken_movielens_tab_atomic_and_latest() {
    let data: (&str, &[u8]) = ("u.data", b"1\t10\t4\t7\n");
    let inter = |bytes: &'static [u8]| [("x.inter", bytes)];
    check(&[
        (
            "movielens",
            "",
            &[("u.data", b"1\t10\t4.5\t7\n1 10 4 7\n"), ("u.item", ITEMS)],
            "DIR/u.data:2:1: found \"1 10 4 7\", expected 4 columns separated by a tab, there are 1",
        ),
        (
            "movielens",
            "",
            &[("u.data", b"1\t10\t0.5\t7\n"), ("u.item", ITEMS)],
            "DIR/u.data:1:3: found \"0.5\", expected a rating from 1 to 5",
        ),
        (
            "movielens",
            "",
            &[
                data,
                ("u.item", b"10|Heat (1995)|01-Jan-1995||http://x|0|2|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n"),
            ],
            "DIR/u.item:1:7: found \"2\", expected 0 or 1",
        ),
        (
            "movielens",
            "",
            &[data, ("u.item", ITEMS), ("u.genre", b"unknown|0\nAction|2\n")],
            "DIR/u.genre:2:2: found \"2\", expected 1, the number of the genre",
        ),
        (
            "movielens",
            "",
            &inter(b""),
            "DIR/x.inter: is empty, expected a header row like `user_id:token\titem_id:token`",
        ),
        (
            "movielens",
            "",
            &inter(b"user_id:token\trating:float\n1\t2\n"),
            "DIR/x.inter: expected one column `item_id`; its columns are user_id, rating",
        ),
        (
            "movielens",
            "",
            &inter(b"user_id:token\titem_id:token\n1\t\xff\n"),
            "DIR/x.inter:2:2: found \"\u{fffd}\", expected an item id, 1 to 256 bytes of UTF-8 text",
        ),
        (
            "movielens",
            "",
            &inter(b"user_id:token\titem_id:token\trating:float\n1\ta\tx\n"),
            "DIR/x.inter:2:3: found \"x\", expected a rating, a finite number",
        ),
        (
            "movielens",
            "",
            &[("x.inter", b""), ("y.inter", b"")],
            "DIR: holds 2 .inter files, expected exactly one",
        ),
        (
            "movielens",
            "",
            &[("ratings.csv", b"")],
            "DIR/ratings.csv: is empty, expected a header row `userId,movieId,rating,timestamp`",
        ),
        (
            "movielens",
            "",
            &[("ratings.csv", b"1,10,4.0,7\n")],
            "DIR/ratings.csv: expected one column `userId`; its columns are 1, 10, 4.0, 7",
        ),
        (
            "movielens",
            "",
            &[("ratings.csv", b"userId,movieId,rating\n1,10,4.0\n"), ("movies.csv", b"id,title\n")],
            "DIR/movies.csv: has no column `movieId`; its columns are id, title",
        ),
        (
            "movielens",
            "",
            &[
                ("ratings.csv", b"userId,movieId,rating\n1,10,4.0\n"),
                ("movies.csv", b"movieId,title,genres\n10,Caf\xe9,Drama\n"),
            ],
            "DIR/movies.csv:2:2: found \"Caf\u{fffd}\", expected UTF-8 text",
        ),
        (
            "movielens",
            "summaries = 'plots.csv'",
            &[
                ("ratings.dat", b"1::10::4::7\n"),
                ("movies.dat", MOVIES),
                ("plots.csv", b"movieId,words\n10,x\n"),
            ],
            "DIR/plots.csv: has no column of texts, expected one named summary, overview, plot, description, text",
        ),
        (
            "movielens",
            "summaries = 'plots.csv'",
            &[
                ("ratings.dat", b"1::10::4::7\n"),
                ("movies.dat", MOVIES),
                ("plots.csv", b"movieId,plot\n11,x\n"),
            ],
            "DIR/plots.csv: no id in its column `movieId` is an item of the data",
        ),
    ]);
}

#[test]
fn broken_csv() {
    let with = "path = 'r.csv'\nrating = 'stars'\nrating_range = [0, 10]";
    let row =
        |bytes: &'static [u8], expected: &'static str| check(&[("csv", with, &[("r.csv", bytes)], expected)]);
    row(b"", "DIR/r.csv: is empty, expected a header row");
    row(b"user_id,item_id,stars\n", "DIR/r.csv: holds no interactions, expected at least one");
    row(b"user_id,item,stars\n", "DIR/r.csv: has no column `item_id`; its columns are user_id, item, stars");
    row(
        b"user_id,item_id,stars\na,b\n",
        "DIR/r.csv:2:2: found \"a,b\", expected 3 columns separated by ,, there are 2",
    );
    row(b"user_id,item_id,stars\na,b,11\n", "DIR/r.csv:2:3: found \"11\", expected a rating from 0 to 10");
    row(
        b"user_id,item_id,stars\n\"a\nb\",c,1\n,c,1\n",
        "DIR/r.csv:4:1: found \"\", expected a user id, 1 to 256 bytes of UTF-8 text",
    );
    row(
        b"user_id,item_id,stars\n\xe9,c,1\n",
        "DIR/r.csv:2:1: found \"\u{fffd}\", expected a user id, 1 to 256 bytes of UTF-8 text",
    );
    row(b"user_id,item_id,\xe9\n", "DIR/r.csv:1:3: found \"\u{fffd}\", expected UTF-8 text");
    check(&[
        ("csv", "path = 'r.csv'", &[], "cannot read DIR/r.csv: No such file or directory (os error 2)"),
        ("csv", "", &[], "DIR: is a folder, expected a file"),
        (
            "csv",
            "path = 'r.csv'\nheader = false\nuser = 1\nitem = 3",
            &[("r.csv", b"a,b\n")],
            "DIR/r.csv:1:2: found \"b\", expected at least 3 columns, there are 2",
        ),
        (
            "csv",
            "path = 'r.csv'\ntimestamp = 'when'",
            &[("r.csv", b"user_id,item_id,when\na,b,2020-01-01\n")],
            "DIR/r.csv:2:3: found \"2020-01-01\", expected a timestamp in seconds",
        ),
        (
            "csv",
            "path = 'r.csv'\nitems = { path = 'i.csv', year = 'year' }",
            &[("r.csv", b"user_id,item_id\na,b\n"), ("i.csv", b"item_id,year\nb,soon\n")],
            "DIR/i.csv:2:2: found \"soon\", expected a year from 1 to 9999, or nothing",
        ),
        (
            "csv",
            "path = 'r.csv'\nitems = { path = 'i.csv' }",
            &[("r.csv", b"user_id,item_id\na,b\n"), ("i.csv", b"item_id\nb\nb\n")],
            "DIR/i.csv:3:1: found \"b\", expected an item id that no row above has",
        ),
    ]);
}

#[test]
fn broken_agent4rec() {
    let lists: [(&str, &[u8]); 3] =
        [("cf_data/train.txt", b"0 1 2\n"), ("cf_data/valid.txt", b"0 3\n"), ("cf_data/test.txt", b"0 0\n")];
    let with = |more: &[(&'static str, &'static [u8])]| -> Vec<(&'static str, &'static [u8])> {
        lists.iter().chain(more).copied().collect()
    };
    let traits: (&str, &[u8]) =
        ("simulation/user_statistic.csv", b"user_id,activity,diversity,conformity\n0,1,2,3\n");
    check(&[
        ("agent4rec", "", &[], "cannot read DIR/cf_data/train.txt: No such file or directory (os error 2)"),
        (
            "agent4rec",
            "",
            &[("cf_data/train.txt", b"0 1 2\n1 a\n")],
            "DIR/cf_data/train.txt:2:2: found \"a\", expected an item number",
        ),
        (
            "agent4rec",
            "",
            &with(&[("simulation/movie_detail.csv", b"movie_id,title\n")]),
            "DIR/simulation/movie_detail.csv: has no column `genres`; its columns are movie_id, title",
        ),
        (
            "agent4rec",
            "",
            &with(&[traits]),
            "cannot read DIR/simulation/all_personas_like.csv: No such file or directory (os error 2)",
        ),
        (
            "agent4rec",
            "",
            &with(&[traits, ("simulation/all_personas_like.csv", b"taste,reason\n")]),
            "DIR/simulation/all_personas_like.csv: tells nothing of user 0, expected one row for every user of cf_data",
        ),
        (
            "agent4rec",
            "",
            &with(&[
                ("simulation/user_statistic.csv", b"user_id,activity,diversity,conformity\n0,1,2,4\n"),
                ("simulation/all_personas_like.csv", b"taste,reason\na,b\n"),
            ]),
            "DIR/simulation/user_statistic.csv:2:4: found \"4\", expected a tier: 1, 2 or 3",
        ),
    ]);
}

#[test]
fn broken_coat() {
    let coat = |files: &[(&str, &[u8])], expected: &str| check(&[("coat", "", files, expected)]);
    let good: (&str, &[u8]) = ("train.ascii", b"5 0 3\n0 4 1\n");
    let test: (&str, &[u8]) = ("test.ascii", b"0 2 0\n1 0 0\n");
    coat(&[], "cannot read DIR/train.ascii: No such file or directory (os error 2)");
    coat(&[good], "cannot read DIR/test.ascii: No such file or directory (os error 2)");
    for (train, expected) in [
        (
            "5 0 3\n0 4\n",
            "DIR/train.ascii:2:2: found \"0 4\", expected 3 columns separated by blanks, there are 2",
        ),
        ("5 0 6\n", "DIR/train.ascii:1:3: found \"6\", expected a rating from 1 to 5, or 0 for none"),
        ("5 x 3\n", "DIR/train.ascii:1:2: found \"x\", expected a rating from 1 to 5, or 0 for none"),
        ("5 0.5 3\n", "DIR/train.ascii:1:2: found \"0.5\", expected a rating from 1 to 5, or 0 for none"),
        ("5 0 3\n\n0 4 1\n", "DIR/train.ascii:2:1: found \"\", expected no blank line: lines are counted"),
    ] {
        coat(&[("train.ascii", train.as_bytes()), test], expected);
    }
    coat(&[("train.ascii", b"2 0 0\n0 1 1\n"), test], "DIR: holds no interactions, expected at least one");
    coat(
        &[good, ("test.ascii", b"0 2 0\n")],
        "DIR/test.ascii: has 1 lines, expected 2, as the files beside it say",
    );
    coat(
        &[good, ("test.ascii", b"0 2\n1 0\n")],
        "DIR/test.ascii:1:2: found \"0 2\", expected 3 columns separated by blanks, there are 2",
    );
    let named: (&str, &[u8]) = ("item_features_map.txt", b"gender:men\ncolor:black");
    coat(
        &[good, test, ("item_features.ascii", b"1 0\n1 0\n1 2\n"), named],
        "DIR/item_features.ascii:3:2: found \"2\", expected 0 or 1",
    );
    coat(
        &[good, test, ("item_features.ascii", b"1 0\n1 0\n"), named],
        "DIR/item_features.ascii: has 2 lines, expected 3, as the files beside it say",
    );
    coat(
        &[good, test, ("item_features.ascii", b"1\n1\n1\n"), ("item_features_map.txt", b"men\n")],
        "DIR/item_features_map.txt:1:1: found \"men\", expected group:value",
    );
    check(&[
        (
            "coat",
            "path = ''",
            &[],
            "dataset.path is \"\", must be the folder that holds train.ascii and test.ascii",
        ),
        ("coat", "min_rating = 6.0", &[], "dataset.min_rating is 6, must be 1..=5"),
    ]);
}

#[test]
fn broken_jester() {
    let jester = |files: &[(&str, &[u8])], expected: &str| check(&[("jester", "", files, expected)]);
    jester(&[], "DIR: holds 0 .csv files, expected one, or `ratings` to name it");
    jester(
        &[("a.csv", b""), ("b.csv", b"")],
        "DIR: holds 2 .csv files, expected one, or `ratings` to name it",
    );
    jester(&[("a.csv", b"")], "DIR: holds no interactions, expected at least one");
    for (ratings, expected) in [
        ("1.5,-2\n3\n", "DIR/a.csv:2:1: found \"3\", expected 2 columns separated by ,, there are 1"),
        ("1.5,10.5\n", "DIR/a.csv:1:2: found \"10.5\", expected a rating from -10 to 10, or 99 for none"),
        ("1.5,\n", "DIR/a.csv:1:2: found \"\", expected a rating from -10 to 10, or 99 for none"),
        ("1,2\n\n1,2\n", "DIR/a.csv:2:1: found \"\", expected no blank line: lines are counted"),
    ] {
        jester(&[("a.csv", ratings.as_bytes())], expected);
    }
    let ratings: (&str, &[u8]) = ("a.csv", b"1,2\n");
    jester(&[ratings, ("jokes.json", b"{}")], "DIR/jokes.json: holds no jokes, expected at least one");
    jester(
        &[ratings, ("jokes.json", br#"{"1": "a", "3": "b"}"#)],
        "DIR/jokes.json: has a joke \"3\", expected numbers from 1 without a gap",
    );
    jester(
        &[ratings, ("jokes.json", b"[1]")],
        "DIR/jokes.json: is not an object of joke numbers and texts: invalid type: sequence, expected a map at \
         line 1 column 0",
    );
    jester(
        &[ratings, ("jokes.json", br#"{"1": "a", "2": "b", "3": "c"}"#)],
        "DIR/a.csv:1:2: found \"1,2\", expected 3 columns separated by ,, there are 2",
    );
    check(&[
        ("jester", "observed_share = 1.0", &[], "dataset.observed_share is 1, must be 0.01..=0.99"),
        ("jester", "min_rating = -11.0", &[], "dataset.min_rating is -11, must be -10..=10"),
        (
            "jester",
            "ratings = 'gone.csv'",
            &[],
            "cannot read DIR/gone.csv: No such file or directory (os error 2)",
        ),
    ]);
}
