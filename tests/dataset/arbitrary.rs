//! Arbitrary bytes, which must never panic, and never break an invariant where they are read.

use crate::Folder;
use proptest::prelude::*;
use windtunnel::dataset;

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

/// Reads without a panic; what is read keeps the invariants.
fn survives(source: &str, toml: &str, files: &[(&str, &[u8])]) {
    let folder = Folder::with(files);
    for rule in ["error", "skip"] {
        let Ok(data) = folder.load(source, &format!("on_bad_row = '{rule}'\n{toml}")) else { continue };
        assert!(data.interactions.is_sorted_by(|a, b| (a.user, a.order, a.item) < (b.user, b.order, b.item)));
        assert!(
            data.interactions.iter().all(|x| x.user.idx() < data.n_users() && x.item.idx() < data.n_items())
        );
        assert!(data.interactions.iter().all(|x| x.rating.is_finite()));
        assert_eq!(data.catalogue.len(), data.n_items());
        assert_eq!(data.all().len(), data.interactions.len(), "no repeated pair");
        let _ = dataset::describe::describe(&data).to_string();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn arbitrary_dat(ratings in tablelike("::"), movies in tablelike("::"), users in tablelike("::")) {
        survives("movielens", "", &[("ratings.dat", &ratings), ("movies.dat", &movies), ("users.dat", &users)]);
    }

    #[test]
    fn arbitrary_tab(data in tablelike("\t"), item in tablelike("|"), user in tablelike("|"), genre in tablelike("|")) {
        let files: [(&str, &[u8]); 4] = [("u.data", &data), ("u.item", &item), ("u.user", &user), ("u.genre", &genre)];
        survives("movielens", "", &files);
        survives("movielens", "", &files[..2]);
    }

    #[test]
    fn arbitrary_atomic(inter in tablelike("\t"), item in tablelike("\t"), user in tablelike("\t")) {
        let inter = [b"user_id:token\titem_id:token\trating:float\n".as_slice(), &inter].concat();
        let item = [b"item_id:token\ttitle:token_seq\tclass:token_seq\n".as_slice(), &item].concat();
        let user = [b"user_id:token\tage:token\n".as_slice(), &user].concat();
        survives("movielens", "", &[("x.inter", &inter), ("x.item", &item), ("x.user", &user)]);
    }

    #[test]
    fn arbitrary_latest(ratings in tablelike(","), movies in tablelike(",")) {
        let ratings = [b"userId,movieId,rating,timestamp\n".as_slice(), &ratings].concat();
        let movies = [b"movieId,title,genres\n".as_slice(), &movies].concat();
        survives("movielens", "", &[("ratings.csv", &ratings), ("movies.csv", &movies)]);
    }

    #[test]
    fn arbitrary_csv(ratings in tablelike(";"), items in tablelike(",")) {
        let toml = "path = 'r.csv'\ndelimiter = ';'\nheader = false\nuser = 1\nitem = 2\nrating = 3\ntimestamp = 4\n\
                    items = { path = 'i.csv', header = false, id = 1, title = 2, genres = 3, year = 4, summary = 5 }";
        survives("csv", toml, &[("r.csv", &ratings), ("i.csv", &items)]);
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
        survives("agent4rec", "", &files);
    }

    #[test]
    fn arbitrary_matrices(a in tablelike(" "), b in tablelike(" "), flags in tablelike(" "), jokes in tablelike(",")) {
        let files: [(&str, &[u8]); 6] = [
            ("train.ascii", &a),
            ("test.ascii", &b),
            ("item_features.ascii", &flags),
            ("item_features_map.txt", b"gender:men"),
            ("r.csv", &jokes),
            ("jokes.json", br#"{"1": "why"}"#),
        ];
        for (source, files) in [("coat", &files[..2]), ("coat", &files[..4]), ("jester", &files[4..5]), ("jester", &files[4..])] {
            if let Ok(data) = Folder::with(files).load(source, "min_rating = 1.0") {
                assert_eq!(data.catalogue.len(), data.n_items());
                let truth = data.observed.as_ref().expect("these sources know truth");
                assert_eq!((truth.matrix.n_rows, truth.matrix.n_cols), (data.n_users(), data.n_items()));
                let _ = dataset::describe::describe(&data).to_string();
            }
        }
    }

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let names = ["ratings.dat", "u.data", "x.inter", "ratings.csv"];
        for name in names {
            survives("movielens", "", &[(name, &bytes), ("movies.dat", &bytes), ("movies.csv", &bytes), ("u.item", &bytes)]);
        }
        survives("csv", "path = 'r.csv'", &[("r.csv", &bytes)]);
        survives("agent4rec", "", &[("cf_data/train.txt", &bytes), ("cf_data/valid.txt", &bytes), ("cf_data/test.txt", &bytes)]);
    }
}
