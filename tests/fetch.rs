//! `dataset::fetch` against a server on the loopback that behaves well, badly and worse.

use md5::{Digest, Md5};
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use windtunnel::dataset::fetch::{FetchError, Fetched, fetch};
use windtunnel::progress::Quiet;

const NAME: &str = "ml-latest-small";

/// What a client asked: path, and the first byte of its range.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    path: String,
    from: Option<usize>,
}

/// What the server says: status, extra headers, body, and how much of the body really goes out.
struct Reply {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
    n_sent: usize,
}

fn whole(body: &[u8]) -> Reply {
    Reply { status: "200 OK", headers: String::new(), body: body.to_vec(), n_sent: body.len() }
}

fn status(status: &'static str) -> Reply {
    Reply { status, headers: String::new(), body: b"sorry".to_vec(), n_sent: 5 }
}

/// The rest of `body` from byte `from`, as a server that knows ranges sends it.
fn ranged(body: &[u8], from: Option<usize>) -> Reply {
    match from {
        None => whole(body),
        Some(from) if from < body.len() => Reply {
            status: "206 Partial Content",
            headers: format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len()),
            body: body[from..].to_vec(),
            n_sent: body.len() - from,
        },
        Some(_) => Reply {
            status: "416 Range Not Satisfiable",
            headers: format!("Content-Range: bytes */{}\r\n", body.len()),
            body: Vec::new(),
            n_sent: 0,
        },
    }
}

/// A server whose n-th answer (from 0) `answer` decides; its address and what it was asked.
fn serve(answer: impl Fn(usize, &Asked) -> Reply + Send + 'static) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/base/", listener.local_addr().expect("bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut lines =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
            let path = lines.next().and_then(|l| l.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
            let range =
                lines.filter_map(|l| l.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
            let from = range.last().and_then(|r| r.trim_end_matches('-').parse().ok());
            let request = Asked { path, from };
            let reply = answer(n, &request);
            log.lock().expect("not poisoned").push(request);
            let Reply { status, headers, body, n_sent } = reply;
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body[..n_sent]);
        }
    });
    (url, asked)
}

/// A zip archive of these files, and its checksum file as the publisher writes it.
fn archive(files: &[(&str, &[u8])]) -> (Vec<u8>, Vec<u8>) {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        zip.start_file(*name, options).expect("started");
        zip.write_all(bytes).expect("written");
    }
    let bytes = zip.finish().expect("finished").into_inner();
    let sum: String = Md5::digest(&bytes).iter().map(|b| format!("{b:02X}")).collect();
    (bytes, format!("MD5 ({NAME}.zip) = {sum}\n").into_bytes())
}

fn good_archive() -> (Vec<u8>, Vec<u8>) {
    let ratings = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n".repeat(2000);
    archive(&[("ml-latest-small/ratings.csv", ratings.as_bytes()), ("ml-latest-small/sub/README", b"hi")])
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Everything is unpacked and nothing else lies around.
fn assert_unpacked(out: &Path, fetched: Result<Fetched, FetchError>) {
    let fetched = fetched.expect("fetched");
    assert_eq!(fetched, Fetched { folder: out.join(NAME), was_there: false });
    assert_eq!(names(out), [NAME]);
    assert_eq!(names(&out.join(NAME)), ["ratings.csv", "sub"]);
    assert_eq!(std::fs::read(out.join(NAME).join("sub/README")).expect("read"), b"hi");
}

/// The error, in one line with its causes.
fn told(result: Result<Fetched, FetchError>) -> String {
    let error = result.expect_err("an error");
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

#[test]
fn a_good_server_is_asked_once_and_what_is_there_is_left_alone() {
    let (zip, md5) = good_archive();
    let (url, asked) =
        serve(move |_, asked| if asked.path.ends_with(".md5") { whole(&md5) } else { whole(&zip) });
    let out = dir();
    assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
    let paths: Vec<String> = asked.lock().expect("log").iter().map(|a| a.path.clone()).collect();
    assert_eq!(paths, ["/base/ml-latest-small.zip.md5", "/base/ml-latest-small.zip"]);

    let again = fetch(NAME, Some(&url), out.path(), &Quiet).expect("nothing to do");
    assert!(again.was_there);
    assert_eq!(asked.lock().expect("log").len(), 2);
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let (zip, md5) = good_archive();
    let (url, asked) = serve(move |n, asked| match (asked.path.ends_with(".md5"), n) {
        (true, _) => whole(&md5),
        (false, 1) => Reply { n_sent: 5000, ..ranged(&zip, asked.from) },
        (false, 2) => status("503 Service Unavailable"),
        (false, _) => ranged(&zip, asked.from),
    });
    let out = dir();
    assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
    let from: Vec<Option<usize>> = asked.lock().expect("log")[1..].iter().map(|a| a.from).collect();
    assert_eq!(from, [None, Some(5000), Some(5000)]);
}

#[test]
fn a_part_of_an_earlier_run_is_used() {
    let (zip, md5) = good_archive();
    let (out, n_there) = (dir(), 70_000);
    let part = out.path().join(format!("{NAME}.zip.part"));
    std::fs::write(&part, &zip[..n_there]).expect("written");
    let (url, asked) =
        serve(
            move |_, asked| if asked.path.ends_with(".md5") { whole(&md5) } else { ranged(&zip, asked.from) },
        );
    assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
    assert_eq!(asked.lock().expect("log")[1].from, Some(n_there));
}

#[test]
fn a_part_that_is_already_whole_needs_no_more_bytes() {
    let (zip, md5) = good_archive();
    let out = dir();
    std::fs::write(out.path().join(format!("{NAME}.zip.part")), &zip).expect("written");
    let (url, _) = serve(
        move |_, asked| if asked.path.ends_with(".md5") { whole(&md5) } else { ranged(&zip, asked.from) },
    );
    assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
}

#[test]
fn a_part_of_another_archive_is_thrown_away() {
    for n_there in [300, 1_000_000] {
        let (zip, md5) = good_archive();
        let out = dir();
        std::fs::write(out.path().join(format!("{NAME}.zip.part")), vec![b'x'; n_there]).expect("written");
        let (url, _) =
            serve(
                move |_, asked| {
                    if asked.path.ends_with(".md5") { whole(&md5) } else { ranged(&zip, asked.from) }
                },
            );
        assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
    }
}

#[test]
fn a_server_that_ignores_ranges_sends_everything_again() {
    let (zip, md5) = good_archive();
    let (url, asked) = serve(move |n, asked| match (asked.path.ends_with(".md5"), n) {
        (true, _) => whole(&md5),
        (false, 1) => Reply { n_sent: 5000, ..whole(&zip) },
        (false, _) => whole(&zip),
    });
    let out = dir();
    assert_unpacked(out.path(), fetch(NAME, Some(&url), out.path(), &Quiet));
    assert_eq!(asked.lock().expect("log")[2].from, Some(5000));
}

#[test]
fn a_wrong_checksum_keeps_nothing() {
    let (zip, _) = good_archive();
    let (url, _) = serve(move |_, _| whole(&zip));
    let out = dir();
    // The sum of ml-1m is known beforehand, whatever a mirror says.
    let error = told(fetch("ml-1m", Some(&url), out.path(), &Quiet));
    assert!(error.contains("/base/ml-1m.zip has MD5 sum "), "{error}");
    assert!(error.ends_with("expected c4d9eecfca2ab87c1945afe126590906; nothing was kept"), "{error}");
    assert!(names(out.path()).is_empty());
}

#[test]
fn refusals_are_told_with_their_status() {
    let (url, _) = serve(|_, _| status("404 Not Found"));
    let out = dir();
    let error = told(fetch(NAME, Some(&url), out.path(), &Quiet));
    assert!(error.ends_with("/base/ml-latest-small.zip.md5 answers 404, expected the archive"), "{error}");
    let error = told(fetch("ml-1m", Some(&url), out.path(), &Quiet));
    assert!(error.ends_with("/base/ml-1m.zip answers 404, expected the archive"), "{error}");

    let (url, _) = serve(|_, _| whole(b"<html>no sum</html>"));
    let error = told(fetch(NAME, Some(&url), out.path(), &Quiet));
    assert!(error.ends_with("holds no MD5 sum, expected 32 hexadecimal digits"), "{error}");
}

#[test]
fn a_server_that_always_breaks_off_leaves_the_part() {
    let (url, _) = serve(|_, asked| {
        let body = vec![7; 1000];
        Reply { n_sent: 10, ..ranged(&body, asked.from) }
    });
    let out = dir();
    let error = told(fetch("ml-1m", Some(&url), out.path(), &Quiet));
    assert!(error.contains("broke off 6 times, 60 bytes are in"), "{error}");
    assert_eq!(names(out.path()), ["ml-1m.zip.part"]);
}

#[test]
fn without_a_server_the_way_by_hand_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let error = told(fetch("ml-1m", Some(&url), dir().path(), &Quiet));
    assert!(error.starts_with(&format!("cannot reach {url}/ml-1m.zip; without a network")), "{error}");
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let error = told(fetch("ml-1n", None, dir().path(), &Quiet));
    assert_eq!(
        error,
        "archive is \"ml-1n\", which is not known, did you mean `ml-1m`?; \
         expected one of: ml-100k, ml-1m, ml-latest-small"
    );
}

#[test]
fn two_fetches_do_not_share_a_part() {
    let out = dir();
    let part = std::fs::File::create(out.path().join("ml-1m.zip.part")).expect("created");
    part.lock().expect("locked");
    let error = told(fetch("ml-1m", Some("http://127.0.0.1:9"), out.path(), &Quiet));
    assert!(error.ends_with("is in use by another fetch; wait for it, or remove the file"), "{error}");
}

#[test]
fn archives_that_reach_outside_or_are_none_are_refused() {
    let whole_of = |zip: Vec<u8>, md5: Vec<u8>| {
        let (url, _) = serve(move |_, a| if a.path.ends_with(".md5") { whole(&md5) } else { whole(&zip) });
        let out = dir();
        let error = told(fetch(NAME, Some(&url), out.path(), &Quiet));
        assert!(!out.path().join(NAME).exists());
        assert!(!out.path().parent().expect("a parent").join("evil").exists());
        error
    };
    for evil in ["../evil", "ml-latest-small/../../evil", "/evil", "other/file"] {
        let (zip, md5) = archive(&[("ml-latest-small/ok", b"ok"), (evil, b"evil")]);
        let error = whole_of(zip, md5);
        assert!(error.ends_with("does not belong into the folder ml-latest-small"), "{evil}: {error}");
    }
    let md5 = Md5::digest(b"not a zip").iter().map(|b| format!("{b:02x}")).collect::<String>();
    let error = whole_of(b"not a zip".to_vec(), md5.into_bytes());
    assert!(error.starts_with("ml-latest-small.zip: is no zip archive: "), "{error}");
    let (zip, md5) = archive(&[]);
    assert_eq!(whole_of(zip, md5), "ml-latest-small.zip: holds no folder ml-latest-small");
}

#[test]
fn a_damaged_entry_is_refused() {
    let (mut zip, _) = good_archive();
    zip[200] ^= 1;
    let sum: String = Md5::digest(&zip).iter().map(|b| format!("{b:02x}")).collect();
    let (url, _) =
        serve(move |_, a| if a.path.ends_with(".md5") { whole(sum.as_bytes()) } else { whole(&zip) });
    let out = dir();
    let error = told(fetch(NAME, Some(&url), out.path(), &Quiet));
    assert!(error.contains("entry `ml-latest-small/ratings.csv` cannot be unpacked"), "{error}");
    let mut left = Vec::new();
    assert_eq!(names(out.path()), ["ml-latest-small.zip.part"]);
    std::fs::File::open(out.path().join("ml-latest-small.zip.part"))
        .and_then(|mut f| f.read_to_end(&mut left))
        .expect("the part is kept");
}
