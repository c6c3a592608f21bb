//! Tables of arbitrary cells, which get past the first check of a dataset's reader more often than changed seeds do.

use crate::entry::{join, target};
use proptest::prelude::*;

/// Bytes that look enough like a table to get past the first check.
fn tablelike(separator: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let cell = prop_oneof![
        4 => "[0-9]{1,9}".prop_map(String::into_bytes),
        1 => "[-+.eE0-9]{0,6}".prop_map(String::into_bytes),
        1 => "\\PC{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(b"\"".to_vec()),
    ];
    let row = prop::collection::vec(cell, 0..7).prop_map(move |cells| cells.join(separator.as_bytes()));
    prop::collection::vec(row, 0..8).prop_map(|rows| rows.join(&b'\n'))
}

fn survives(source: &str, files: &[(&str, &[u8])]) {
    target(&format!("dataset_{source}"))(&join(files));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_dat(ratings in tablelike("::"), movies in tablelike("::"), users in tablelike("::")) {
        survives("movielens", &[("ratings.dat", &ratings), ("movies.dat", &movies), ("users.dat", &users)]);
    }

    #[test]
    fn arbitrary_tab(data in tablelike("\t"), item in tablelike("|"), user in tablelike("|"), genre in tablelike("|")) {
        let files: [(&str, &[u8]); 4] = [("u.data", &data), ("u.item", &item), ("u.user", &user), ("u.genre", &genre)];
        survives("movielens", &files);
        survives("movielens", &files[..2]);
    }

    #[test]
    fn arbitrary_atomic(inter in tablelike("\t"), item in tablelike("\t"), user in tablelike("\t")) {
        let inter = [b"user_id:token\titem_id:token\trating:float\n".as_slice(), &inter].concat();
        let item = [b"item_id:token\ttitle:token_seq\tclass:token_seq\n".as_slice(), &item].concat();
        let user = [b"user_id:token\tage:token\n".as_slice(), &user].concat();
        survives("movielens", &[("x.inter", &inter), ("x.item", &item), ("x.user", &user)]);
    }

    #[test]
    fn arbitrary_latest(ratings in tablelike(","), movies in tablelike(",")) {
        let ratings = [b"userId,movieId,rating,timestamp\n".as_slice(), &ratings].concat();
        let movies = [b"movieId,title,genres\n".as_slice(), &movies].concat();
        survives("movielens", &[("ratings.csv", &ratings), ("movies.csv", &movies)]);
    }

    #[test]
    fn arbitrary_csv(ratings in tablelike(";"), items in tablelike(",")) {
        let params = b"delimiter = ';'\nheader = false\nuser = 1\nitem = 2\nrating = 3\ntimestamp = 4\n\
            items = { header = false, id = 1, title = 2, genres = 3, year = 4, summary = 5 }";
        survives("csv", &[("params.toml", params), ("data", &ratings), ("items", &items)]);
    }

    #[test]
    fn arbitrary_agent4rec(train in tablelike(" "), test in tablelike(" "), details in tablelike(",")) {
        let details = [b"movie_id,title,genres,rating,summary\n".as_slice(), &details].concat();
        let files: [(&str, &[u8]); 4] = [
            ("cf_data/train.txt", &train),
            ("cf_data/valid.txt", b""),
            ("cf_data/test.txt", &test),
            ("simulation/movie_detail.csv", &details),
        ];
        survives("agent4rec", &files);
    }

    #[test]
    fn arbitrary_matrices(a in tablelike(" "), b in tablelike(" "), flags in tablelike(" "), jokes in tablelike(",")) {
        let low: (&str, &[u8]) = ("params.toml", b"min_rating = 1.0");
        let coat: [(&str, &[u8]); 5] = [
            low,
            ("train.ascii", &a),
            ("test.ascii", &b),
            ("item_features.ascii", &flags),
            ("item_features_map.txt", b"gender:men"),
        ];
        let jester: [(&str, &[u8]); 3] = [low, ("r.csv", &jokes), ("jokes.json", br#"{"1": "why"}"#)];
        survives("coat", &coat[..3]);
        survives("coat", &coat);
        survives("jester", &jester[..2]);
        survives("jester", &jester);
    }

    #[test]
    fn arbitrary_sequences(data in tablelike(" "), items in tablelike(",")) {
        let items = [b"item_id,title\n".as_slice(), &items].concat();
        survives("sequences", &[("data", &data), ("items", &items)]);
    }
}
