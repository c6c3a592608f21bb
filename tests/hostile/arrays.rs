//! Numbers made elsewhere: `.npy` arrays, Parquet files of vectors, ready lists.

use super::case::{Case, Content};

const VECTORS: &str = "`kind = \"embeddings\"`, `.npy`";
const ENCODER: &str = "`[encoders]`, `kind = \"file\"`";
const LISTS: &str = "`kind = \"ranking\"`";

const DATA: &str = "[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 30\nmean_interactions = 8\n[session]\nmax_pages = 2\n";

/// An array with this header and these values.
fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}

fn vectors(what: &'static str, array: Vec<u8>, says: &'static str) -> Case {
    let scenario =
        format!("{DATA}[arms.vectors]\nkind = \"embeddings\"\nusers = \"v.npy\"\nitems = \"v.npy\"\n");
    Case::run(VECTORS, what, scenario, says).file("v.npy", array)
}

fn encoder(what: &'static str, name: &str, bytes: Vec<u8>, says: &'static str) -> Case {
    let scenario = format!(
        "{DATA}[encoders.default]\nkind = \"file\"\npath = \"{name}\"\n[arms.alpharec]\nepochs = 1\n"
    );
    Case::run(ENCODER, what, scenario, says).file(name, bytes).fails()
}

fn lists(what: &'static str, name: &str, bytes: &[u8], says: &'static str) -> Case {
    let scenario = format!("{DATA}[arms.ranking]\npath = \"{name}\"\n");
    Case::run(LISTS, what, scenario, says).file(name, bytes)
}

pub fn cases() -> Vec<Case> {
    let row_of = |value: f32| [1.0f32, value].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    vec![
        vectors("an array that is something else", b"not an array".to_vec(), "v.npy: does not begin like a .npy file"),
        vectors("an array cut inside its header", b"\x93NUMPY\x01\x00\xff\xff{'descr".to_vec(), "v.npy: ends inside its header, must be a whole .npy file"),
        vectors("an array whose header claims 4 GB", b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "has a header of 4294967295 bytes, must be at most 1048576"),
        vectors("an array that claims 2^60 rows", npy("<f4", "(1152921504606846976, 2)", &row_of(1.0)), "holds 8 bytes of values, shape [1152921504606846976, 2] of <f4 needs 9223372036854775808"),
        vectors("an array whose shape overflows", npy("<f4", "(4294967296, 4294967296)", &[]), "must give descr, fortran_order and shape"),
        vectors("an array of pickled objects", npy("|O", "(1, 2)", b"cos\nsystem\n"), "must give descr, fortran_order and shape"),
        vectors("an array with a number that is none", npy("<f4", "(1, 2)", &row_of(f32::NAN)), "value NaN at 1 must be finite"),
        vectors("an array of one dimension", npy("<f4", "(2,)", &row_of(1.0)), "has 1 dimensions, must have 2"),
        vectors("an array for another number of people", npy("<f4", "(1, 2)", &row_of(1.0)), "has shape [1, 2], must have [12, 2]: the dataset has 12 users"),
        encoder("vectors in a Parquet file that is cut", "v.parquet", b"PAR1\x15\x04\x15".to_vec(), "v.parquet: cannot be read as Parquet: EOF: Parquet file too small"),
        encoder(
            "a Parquet file whose footer claims 2 GB",
            "v.parquet",
            b"PAR1xxxx\xff\xff\xff\x7fPAR1".to_vec(),
            "cannot be read as Parquet: EOF: Parquet file too small. Size is 16 but need 2147483655",
        ),
        // What fuzzing found: a page is said to point into a dictionary, and there is none.
        encoder(
            "a Parquet file whose pages are not what they say",
            "v.parquet",
            include_bytes!("no-dictionary.parquet").to_vec(),
            "cannot be read as Parquet: Parquet error: a page is not what its header says",
        ),
        encoder("vectors without a single known id", "v.npy", npy("<f4", "(1, 2)", &row_of(1.0)), "has no vector for any of the 30 ids of the dataset, such as \"1\"; it has ids such as \"nobody\"")
            .file("v.ids.jsonl", "{\"id\": \"nobody\"}\n"),
        encoder("ids 10,000 lists deep", "v.npy", npy("<f4", "(1, 2)", &row_of(1.0)), "v.ids.jsonl: line 1: recursion limit exceeded at line 1 column 134; expected an object whose \"id\" is text or a whole number")
            .file("v.ids.jsonl", format!("{{\"id\": {}", "[".repeat(10_000))),
        lists("lists with an item that there is not", "l.csv", b"user,item\n1,nothing\n", "l.csv: line 2: item \"nothing\" is not in the dataset"),
        lists("lists with a rank in words", "l.csv", b"user,item,rank\n1,2,first\n", "l.csv: line 2: found \"first\", expected a rank, a whole number"),
        lists("a list that repeats an item", "l.txt", b"1 2 3 2\n", "l.txt: the list of user \"1\" has item \"2\" twice"),
        lists("a list with a score that is none", "l.csv", b"user,item,score\n1,2,nan\n", "l.csv: line 2: the score must be finite"),
        Case::run(LISTS, "a folder for lists", format!("{DATA}[arms.ranking]\npath = \"l.csv\"\n"), "l.csv: Is a directory")
            .content("l.csv", Content::Folder),
    ]
}
