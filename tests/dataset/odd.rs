//! Odd data that must be read all the same, and the same data in every form.

use crate::{Folder, ITEMS, MOVIES_CSV};
use windtunnel::dataset::Dataset;

#[test]
fn skipped_rows_are_counted_and_the_rest_is_read() {
    let ratings = b"1::10::4::1\nbad\n1::20::9::2\n1::10::2::3\n2::99::3::1\n";
    let movies = b"10::Heat (1995)::Action|Crime\nbroken\n10::Again::Crime\n";
    let folder = Folder::with(&[("ratings.dat", ratings), ("movies.dat", movies)]);
    let data = folder.load("movielens", "on_bad_row = 'skip'").expect("read");
    let report = data.load_report;
    assert_eq!((report.n_rows, report.n_skipped, report.n_duplicates, report.n_unknown_items), (5, 4, 1, 1));
    assert_eq!(data.interactions.len(), 2);
    assert_eq!(data.interactions[0].rating, 2.0, "the last of a repeated pair counts");
    assert_eq!(data.items.all(), ["10", "99"], "the item of a row left out is not known");
    assert_eq!(data.catalogue[1].title, "99");
}

#[test]
fn bom_crlf_quotes_and_encodings_change_nothing() {
    let plain = b"userId,movieId,rating,timestamp\n1,10,4.0,7\n2,20,3.5,8\n";
    let odd = b"\xef\xbb\xbf\"userId\",\"movieId\",\"rating\",\"timestamp\"\r\n\"2\",\"20\",\"3.5\",\"8\"\r\n\r\n\"1\",\"10\",\"4.0\",\"7\"";
    let crlf_movies: Vec<u8> =
        [b"\xef\xbb\xbf".as_slice(), &String::from_utf8_lossy(MOVIES_CSV).replace('\n', "\r\n").into_bytes()]
            .concat();
    let one = Folder::with(&[("ratings.csv", plain), ("movies.csv", MOVIES_CSV)]);
    let two = Folder::with(&[("ratings.csv", odd), ("movies.csv", &crlf_movies)]);
    let (one, two) = (one.load("movielens", "").expect("read"), two.load("movielens", "").expect("read"));
    assert_eq!(one.content_hash(), two.content_hash());
    assert_eq!(one.catalogue[1].title, "Persuasion, or Not (1995)");
    assert!(one.catalogue[1].genres.is_empty());

    let latin1 = "10::Café (1995)::Drama\n".chars().map(|c| c as u8).collect::<Vec<u8>>();
    for movies in [latin1.as_slice(), "10::Café (1995)::Drama\n".as_bytes()] {
        let folder = Folder::with(&[("ratings.dat", b"1::10::4::7\n"), ("movies.dat", movies)]);
        let data = folder.load("movielens", "").expect("read");
        assert_eq!((data.catalogue[0].title.as_str(), data.catalogue[0].year), ("Café (1995)", Some(1995)));
    }
}

/// Source, parameters and files.
type Form<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [u8])]);

#[test]
fn every_form_of_the_same_ratings_reads_alike() {
    let forms: [Form<'_>; 5] = [
        ("movielens", "", &[("ratings.dat", b"1::10::4::7\n2::10::5::8\n"), ("movies.dat", b"10::Heat (1995)::Action|Crime\n")]),
        ("movielens", "", &[("u.data", b"1\t10\t4\t7\n2\t10\t5\t8\n"), ("u.item", ITEMS)]),
        (
            "movielens",
            "",
            &[
                ("x.inter", b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t4\t7\n2\t10\t5\t8.0\n"),
                ("x.item", b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n10\tHeat (1995)\t1995\tAction Crime\n"),
            ],
        ),
        ("movielens", "", &[("ratings.csv", b"userId,movieId,rating,timestamp\n2,10,5,8\n1,10,4.0,7\n"), ("movies.csv", b"movieId,title,genres\n10,Heat (1995),Action|Crime\n")]),
        (
            "csv",
            "path = 'r.tsv'\ndelimiter = \"\\t\"\nheader = false\nuser = 2\nitem = 1\nrating = 4\ntimestamp = 3\n\
             [items]\npath = 'i.csv'\nid = 'key'\ntitle = 'name'\ngenres = 'tags'\ngenre_separator = ', '",
            &[("r.tsv", b"10\t2\t8\t5\n10\t1\t7\t4\n"), ("i.csv", b"key,name,tags\n10,Heat (1995),\"Crime, Action\"\n")],
        ),
    ];
    let read: Vec<Dataset> = forms
        .iter()
        .map(|(source, toml, files)| Folder::with(files).load(source, toml).expect("read"))
        .collect();
    for data in &read {
        assert_eq!(data.interactions, read[0].interactions);
        assert_eq!(data.catalogue, read[0].catalogue);
        assert_eq!(data.genres.all(), ["Action", "Crime"]);
    }
    // The rating range differs by form (1 to 5, 0.5 to 5, observed), and is part of the hash.
    assert_eq!(read[0].content_hash(), read[1].content_hash());
    assert_eq!(read[2].content_hash(), read[4].content_hash());
    assert_ne!(read[0].content_hash(), read[3].content_hash());
}

#[test]
fn coats_and_shoppers_are_described() {
    let files: [(&str, &[u8]); 6] = [
        ("train.ascii", b"5 0 3\n0 2 1\n4 0 0"),
        ("test.ascii", b"0 2 0\n1 0 0\n0 5 4\n"),
        ("item_features.ascii", b"1 0 1 0 1\n0 1 0 1 0\n0 1 1 0 1\n"),
        ("item_features_map.txt", b"gender:men\ngender:women\ncolor:black\ncolor:other\nonfrontpage:yes"),
        ("user_features.ascii", b"1 0\n0 1\n1 0\n"),
        ("user_features_map.txt", b"age:20-30\nage:over 60"),
    ];
    let data = Folder::with(&files).load("coat", "min_rating = 3.0").expect("read");
    // The second shopper rated nothing with 3 or more and is left out, the truth too.
    assert_eq!(data.users.all(), ["1", "3"]);
    let pairs: Vec<(u32, u32, f32)> =
        data.interactions.iter().map(|x| (x.user.0, x.item.0, x.rating)).collect();
    assert_eq!(pairs, [(0, 0, 5.0), (0, 2, 3.0), (1, 0, 4.0)]);
    let truth = data.observed.as_ref().expect("truth");
    assert_eq!(
        (truth.matrix.row(0), truth.matrix.row(1)),
        ((&[1][..], &[2.0][..]), (&[1, 2][..], &[5.0, 4.0][..]))
    );
    assert_eq!(truth.rating(windtunnel::id::UserId(1), windtunnel::id::ItemId(0)), None);
    assert_eq!(data.genres.all(), ["black", "color other", "men", "women"]);
    assert_eq!(data.catalogue[1].title, "coat 2: women, color other");
    assert_eq!(data.catalogue[0].summary.as_deref(), Some("gender: men; color: black; onfrontpage: yes"));
    let age: Vec<Option<&str>> = data.user_attributes[0].values.iter().map(Option::as_deref).collect();
    assert_eq!(age, [Some("20-30"), Some("20-30")]);
}

#[test]
fn jokes_come_with_or_without_a_column_of_counts() {
    let jokes = br#"{"2": "Because.", "1": "Why did the very long joke not end after the eighth word?"}"#;
    let toml = "observed_share = 0.5\nmin_rating = -10.0";
    let plain = Folder::with(&[("r.csv", b"1.5,99\n-9.95,3\n"), ("jokes.json", jokes)]);
    let counted = Folder::with(&[("r.csv", b"1,1.5,99\r\n2,-9.95,3\r\n"), ("jokes.json", jokes)]);
    let (plain, counted) =
        (plain.load("jester", toml).expect("read"), counted.load("jester", toml).expect("read"));
    assert_eq!(plain.content_hash(), counted.content_hash());
    assert_eq!(plain.catalogue[0].title, "joke 1: Why did the very long joke not end …");
    assert_eq!(plain.catalogue[1].title, "joke 2: Because.");
    // The first person rated one joke, half of which is rounded up to one for recommenders.
    assert_eq!((plain.interactions.len(), plain.observed.as_ref().map(|t| t.matrix.nnz())), (2, Some(1)));
}

#[test]
#[ignore = "ten million rows, some 200 MB on disk"]
fn ten_million_rows_are_read() {
    use std::io::Write;
    let folder = Folder::with(&[("movies.dat", b"1::One (1999)::Drama\n")]);
    let mut file =
        std::io::BufWriter::new(std::fs::File::create(folder.path().join("ratings.dat")).expect("created"));
    const N_USERS: u32 = 100_000;
    for user in 1..=N_USERS {
        for k in 0..100 {
            let item = 1 + (user * 7 + k * 31) % 20_000;
            writeln!(file, "{user}::{item}::{}::{k}", 1 + (user + k) % 5).expect("written");
        }
    }
    file.flush().expect("written");
    std::fs::write(folder.path().join("users.dat"), "1::F::1::10::48067\n").expect("written");
    let dataset = folder.load("movielens", "").expect("read");
    assert_eq!(dataset.load_report.n_rows, 10_000_000);
    assert_eq!((dataset.n_users(), dataset.interactions.len()), (N_USERS as usize, 10_000_000));
}
