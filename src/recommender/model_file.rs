//! Model files: a JSON header and `.npy` arrays, written and read with equal care.
//!
//! A model folder holds `model.json` (magic, format version, kind, and what the model
//! wants to remember of itself) and one `.npy` file an array (NumPy format, little endian,
//! row-major; <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
//! Files may come from anywhere: whatever is wrong with one is a
//! [`RecommendError::BadModel`], and sizes are checked against the file's length before
//! anything is allocated. Nothing here may know what a model does with its arrays.

use super::RecommendError;
use super::dense::Matrix;
use arrow_array::ArrowPrimitiveType;
use arrow_array::types::Float16Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// What every `model.json` begins with.
const MAGIC: &str = "windtunnel-model";

/// The format written here, and the only one read.
const VERSION: u32 = 1;

/// The most a JSON header or the header of an array may take, bytes.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// The largest catalogue a model may claim to have: bounds what a header can make us allocate.
pub const N_ITEMS_MAX: usize = 1 << 27;

/// What every `.npy` file begins with.
const NPY_MAGIC: &[u8; 6] = b"\x93NUMPY";

/// A half-precision float (IEEE 754 binary16).
type Half = <Float16Type as ArrowPrimitiveType>::Native;

#[derive(Serialize, serde::Deserialize)]
struct Header {
    magic: String,
    version: u32,
    kind: String,
    model: serde_json::Value,
}

/// Writes `model.json`: the kind, and what the model remembers.
pub fn write_header<T: Serialize>(dir: &Path, kind: &str, model: &T) -> Result<(), RecommendError> {
    let path = dir.join("model.json");
    let bad = |error: serde_json::Error| bad(&path, error.to_string());
    let model = serde_json::to_value(model).map_err(bad)?;
    let header = Header { magic: MAGIC.to_owned(), version: VERSION, kind: kind.to_owned(), model };
    let text = serde_json::to_string_pretty(&header).map_err(bad)?;
    write_whole(&path, |file| writeln!(file, "{text}"))
}

/// Reads the `model.json` of a folder that must hold a model of this kind.
pub fn read_header<T: DeserializeOwned>(dir: &Path, kind: &str) -> Result<T, RecommendError> {
    let header = any_header(dir)?;
    let path = dir.join("model.json");
    if header.kind != kind {
        return Err(bad(&path, format!("kind is \"{}\", must be \"{kind}\"", header.kind)));
    }
    serde_json::from_value(header.model).map_err(|error| bad(&path, format!("in `model`: {error}")))
}

/// The kind of the model in a folder.
pub fn kind_of(dir: &Path) -> Result<String, RecommendError> {
    any_header(dir).map(|header| header.kind)
}

fn any_header(dir: &Path) -> Result<Header, RecommendError> {
    let path = dir.join("model.json");
    let (mut file, len) = open(&path)?;
    if len > HEADER_BYTES_MAX {
        return Err(bad(&path, format!("is {len} bytes long, must be at most {HEADER_BYTES_MAX}")));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|source| io(&path, source))?;
    let header: Header = serde_json::from_slice(&text).map_err(|error| bad(&path, error.to_string()))?;
    if header.magic != MAGIC {
        return Err(bad(&path, format!("magic is \"{}\", must be \"{MAGIC}\"", header.magic)));
    }
    if header.version != VERSION {
        return Err(bad(&path, format!("version is {}, must be {VERSION}", header.version)));
    }
    Ok(header)
}

/// Refuses a `model.json` that claims more items than any catalogue has.
pub fn check_n_items(dir: &Path, n_items: usize) -> Result<(), RecommendError> {
    if n_items <= N_ITEMS_MAX {
        return Ok(());
    }
    Err(bad(&dir.join("model.json"), format!("n_items is {n_items}, must be at most {N_ITEMS_MAX}")))
}

/// Writes a matrix as `.npy`, `<f4`, two dimensions.
pub fn write_matrix(path: &Path, matrix: &Matrix) -> Result<(), RecommendError> {
    let shape = format!("({}, {})", matrix.n_rows, matrix.n_cols);
    write_npy(path, "<f4", &shape, matrix.data.iter().map(|x| x.to_le_bytes()))
}

/// Writes a vector as `.npy`, `<f4`, one dimension.
pub fn write_vector(path: &Path, values: &[f32]) -> Result<(), RecommendError> {
    write_npy(path, "<f4", &format!("({},)", values.len()), values.iter().map(|x| x.to_le_bytes()))
}

/// Writes a vector of ids as `.npy`, `<u4`, one dimension.
pub fn write_ids(path: &Path, ids: &[u32]) -> Result<(), RecommendError> {
    write_npy(path, "<u4", &format!("({},)", ids.len()), ids.iter().map(|x| x.to_le_bytes()))
}

/// Reads a two-dimensional `.npy` of `<f2`, `<f4` or `<f8`, row- or column-major; every value must be finite.
pub fn read_matrix(path: &Path) -> Result<Matrix, RecommendError> {
    let (shape, data) = read_floats(path)?;
    let &[n_rows, n_cols] = shape.as_slice() else {
        return Err(bad(path, format!("has {} dimensions, must have 2", shape.len())));
    };
    Ok(Matrix { n_rows, n_cols, data })
}

/// Reads a one-dimensional `.npy` of `len` values, `<f2`, `<f4` or `<f8`; every value must be finite.
pub fn read_vector(path: &Path, len: usize) -> Result<Vec<f32>, RecommendError> {
    let (shape, data) = read_floats(path)?;
    check_len(path, &shape, len)?;
    Ok(data)
}

/// Reads a one-dimensional `.npy` of `<u4`, each value below `bound`; `len` values, where given.
pub fn read_ids(path: &Path, len: Option<usize>, bound: u32) -> Result<Vec<u32>, RecommendError> {
    let array = read_npy(path)?;
    if array.descr != "<u4" {
        return Err(bad(path, format!("holds {}, must hold <u4", array.descr)));
    }
    check_len(path, &array.shape, len.unwrap_or(array.shape.first().copied().unwrap_or(0)))?;
    let ids: Vec<u32> = array.bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    match ids.iter().position(|&id| id >= bound) {
        Some(at) => Err(bad(path, format!("value {} at {at} must be below {bound}", ids[at]))),
        None => Ok(ids),
    }
}

fn check_len(path: &Path, shape: &[usize], len: usize) -> Result<(), RecommendError> {
    match *shape {
        [found] if found == len => Ok(()),
        _ => Err(bad(path, format!("has shape {shape:?}, must have [{len}]"))),
    }
}

fn read_floats(path: &Path) -> Result<(Vec<usize>, Vec<f32>), RecommendError> {
    let array = read_npy(path)?;
    let mut data: Vec<f32> = match array.descr.as_str() {
        "<f2" => array.bytes.as_chunks::<2>().0.iter().map(|b| Half::from_le_bytes(*b).to_f32()).collect(),
        "<f4" => array.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        "<f8" => array.bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        other => return Err(bad(path, format!("holds {other}, must hold <f2, <f4 or <f8"))),
    };
    if let (true, &[n_rows, n_cols]) = (array.column_major, array.shape.as_slice()) {
        data = (0..n_rows * n_cols).map(|at| data[(at % n_cols) * n_rows + at / n_cols]).collect();
    }
    match data.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(bad(path, format!("value {} at {at} must be finite", data[at]))),
        None => Ok((array.shape, data)),
    }
}

/// An array as it stands in its file.
struct Npy {
    descr: String,
    column_major: bool,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn read_npy(path: &Path) -> Result<Npy, RecommendError> {
    let (mut file, file_len) = open(path)?;
    let short = |_| bad(path, "ends inside its header, must be a whole .npy file".to_owned());
    let mut start = [0u8; 8];
    file.read_exact(&mut start).map_err(short)?;
    if start[..6] != NPY_MAGIC[..] {
        return Err(bad(path, "does not begin like a .npy file".to_owned()));
    }
    // Version 1 counts its header in two bytes, versions 2 and 3 in four.
    let n_length_bytes = match start[6] {
        1 => 2,
        2 | 3 => 4,
        other => return Err(bad(path, format!("has .npy version {other}, must be 1, 2 or 3"))),
    };
    let mut length = [0u8; 4];
    file.read_exact(&mut length[..n_length_bytes]).map_err(short)?;
    let header_len = u64::from(u32::from_le_bytes(length));
    if header_len > HEADER_BYTES_MAX {
        return Err(bad(
            path,
            format!("has a header of {header_len} bytes, must be at most {HEADER_BYTES_MAX}"),
        ));
    }
    let mut header = vec![0u8; header_len as usize];
    file.read_exact(&mut header).map_err(short)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let unclear =
        || bad(path, format!("has the header {:?}, must give descr, fortran_order and shape", header.trim()));
    let (descr, column_major, shape) = parse_npy_header(&header).ok_or_else(unclear)?;

    let item_bytes: u64 = descr.get(2..).and_then(|size| size.parse().ok()).ok_or_else(unclear)?;
    let n_values = shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64));
    let expected = n_values.and_then(|n| n.checked_mul(item_bytes)).ok_or_else(unclear)?;
    let found = file_len.saturating_sub(8 + n_length_bytes as u64 + header_len);
    if found != expected {
        return Err(bad(
            path,
            format!("holds {found} bytes of values, shape {shape:?} of {descr} needs {expected}"),
        ));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| io(path, source))?;
    if bytes.len() as u64 != expected {
        return Err(bad(path, format!("changed while it was read: {} bytes, not {expected}", bytes.len())));
    }
    Ok(Npy { descr, column_major, shape, bytes })
}

/// The three entries of a header such as `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse_npy_header(header: &str) -> Option<(String, bool, Vec<usize>)> {
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
    let order = value("fortran_order")?;
    let column_major = order.starts_with("True");
    if !column_major && !order.starts_with("False") {
        return None;
    }
    let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().ok()).collect::<Option<Vec<usize>>>()?;
    Some((descr, column_major, shape))
}

fn write_npy<const N: usize>(
    path: &Path,
    descr: &str,
    shape: &str,
    values: impl Iterator<Item = [u8; N]>,
) -> Result<(), RecommendError> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // The values begin at a multiple of 64 bytes, as the format asks.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let header_len = u16::try_from(header.len()).expect("a header of two sizes is short");
    write_whole(path, |file| {
        file.write_all(NPY_MAGIC)?;
        file.write_all(&[1, 0])?;
        file.write_all(&header_len.to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for value in values {
            file.write_all(&value)?;
        }
        Ok(())
    })
}

/// Writes a file beside its place and moves it there: it is whole or absent.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), RecommendError> {
    crate::files::write_with(path, write).map_err(|source| io(path, source))
}

fn open(path: &Path) -> Result<(File, u64), RecommendError> {
    let file = File::open(path).map_err(|source| io(path, source))?;
    let metadata = file.metadata().map_err(|source| io(path, source))?;
    if !metadata.is_file() {
        return Err(bad(path, "must be a file".to_owned()));
    }
    Ok((file, metadata.len()))
}

/// A complaint about a model file.
pub fn bad(path: &Path, problem: String) -> RecommendError {
    RecommendError::BadModel { path: path.to_owned(), problem }
}

fn io(path: &Path, source: std::io::Error) -> RecommendError {
    RecommendError::Io { path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn sample() -> Matrix {
        Matrix::new(2, 3, vec![1.0, -2.5, 3.0, f32::MIN_POSITIVE, 0.0, -0.0])
    }

    #[test]
    fn arrays_come_back_bit_for_bit() {
        let dir = folder();
        let path = dir.path().join("a.npy");
        write_matrix(&path, &sample()).expect("written");
        assert_eq!(read_matrix(&path).expect("read"), sample());
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 128 + 24);
        write_ids(&path, &[3, 1]).expect("written");
        assert_eq!(read_ids(&path, Some(2), 4).expect("read"), [3, 1]);
        assert!(read_ids(&path, Some(2), 3).is_err());
        assert!(read_ids(&path, Some(3), 4).is_err());
        write_vector(&path, &[0.5]).expect("written");
        assert_eq!(read_vector(&path, 1).expect("read"), [0.5]);
        write_matrix(&path, &Matrix::zeros(0, 4)).expect("written");
        assert_eq!(read_matrix(&path).expect("read"), Matrix::zeros(0, 4));
    }

    #[test]
    fn column_major_doubles_are_read_too() {
        let dir = folder();
        let path = dir.path().join("a.npy");
        // numpy.save(asfortranarray([[1, 2, 3], [4, 5, 6]])), as NumPy lays it out.
        let mut file = b"\x93NUMPY\x02\x00".to_vec();
        let header = b"{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n";
        file.extend((header.len() as u32).to_le_bytes());
        file.extend(header);
        file.extend([1.0f64, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|x| x.to_le_bytes()));
        std::fs::write(&path, file).expect("written");
        assert_eq!(read_matrix(&path).expect("read").data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn halves_are_read_too() {
        let dir = folder();
        let path = dir.path().join("a.npy");
        // IEEE 754-2019, binary16: 1, -2, the largest, the smallest normal and the smallest subnormal.
        let halves: [u16; 6] = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000];
        write_npy(&path, "<f2", "(3, 2)", halves.iter().map(|bits| bits.to_le_bytes())).expect("written");
        let expected = [1.0, -2.0, 65504.0, 2f32.powi(-14), 2f32.powi(-24), -0.0];
        assert_eq!(read_matrix(&path).expect("read"), Matrix::new(3, 2, expected.to_vec()));
        write_npy(&path, "<f2", "(1,)", [0x7c00u16.to_le_bytes()].into_iter()).expect("written");
        assert!(read_vector(&path, 1).expect_err("infinite").to_string().contains("must be finite"));
    }

    #[test]
    fn every_truncated_or_altered_file_is_refused() {
        let dir = folder();
        let path = dir.path().join("a.npy");
        write_matrix(&path, &sample()).expect("written");
        let whole = std::fs::read(&path).expect("read");
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).expect("written");
            assert!(matches!(read_matrix(&path), Err(RecommendError::BadModel { .. })), "length {len}");
        }
        let text = String::from_utf8_lossy(&whole[10..128]).into_owned();
        for (find, put) in [
            ("(2, 3)", "(2, 4)"),
            ("(2, 3)", "(6,)  "),
            ("(2, 3)", "(-2,3)"),
            ("(2, 3)", "(2, 3"),
            ("(2, 3)", "18446744073709551615, 18446744073709551615"),
            ("(2, 3)", "(4294967296, 4294967296)"),
            ("<f4", ">f4"),
            ("<f4", "|O4"),
            ("<f4", "<f\u{e9}"),
            ("<f4", "<"),
            ("False", "Maybe"),
            ("'descr'", "'desc' "),
        ] {
            let mut altered = whole[..10].to_vec();
            let header = text.replace(find, put);
            altered[8..10].copy_from_slice(&(header.len() as u16).to_le_bytes());
            altered.extend(header.as_bytes());
            altered.extend(&whole[128..]);
            std::fs::write(&path, &altered).expect("written");
            assert!(matches!(read_matrix(&path), Err(RecommendError::BadModel { .. })), "{find} -> {put}");
        }
        let mut infinite = whole.clone();
        infinite[128..132].copy_from_slice(&f32::INFINITY.to_le_bytes());
        std::fs::write(&path, &infinite).expect("written");
        let complaint = read_matrix(&path).expect_err("refused").to_string();
        assert!(complaint.ends_with("value inf at 0 must be finite"), "{complaint}");
        std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff").expect("written");
        assert!(matches!(read_matrix(&path), Err(RecommendError::BadModel { .. })));
        assert!(matches!(read_matrix(dir.path()), Err(RecommendError::BadModel { .. })));
        assert!(matches!(read_matrix(&dir.path().join("b.npy")), Err(RecommendError::Io { .. })));
    }

    #[test]
    fn headers_round_trip_and_name_what_is_wrong() {
        let dir = folder();
        write_header(dir.path(), "als", &[1u32, 2]).expect("written");
        assert_eq!(read_header::<Vec<u32>>(dir.path(), "als").expect("read"), [1, 2]);
        assert_eq!(kind_of(dir.path()).expect("read"), "als");
        let complain = |kind| read_header::<Vec<u32>>(dir.path(), kind).expect_err("refused").to_string();
        assert!(complain("mf").ends_with("kind is \"als\", must be \"mf\""));
        assert!(read_header::<String>(dir.path(), "als").is_err());
        let path = dir.path().join("model.json");
        let text = std::fs::read_to_string(&path).expect("read");
        for (find, put) in [("windtunnel-model", "pickle"), ("\"version\": 1", "\"version\": 2"), ("{", "[")]
        {
            std::fs::write(&path, text.replacen(find, put, 1)).expect("written");
            assert!(matches!(kind_of(dir.path()), Err(RecommendError::BadModel { .. })), "{find} -> {put}");
        }
    }
}
