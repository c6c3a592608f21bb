//! Parquet from outside: the crate that reads it trusts pages to be what their headers say and panics where they are
//! not, at many places. Such a panic ends here, as an error with its words. Must not know what columns mean.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Values of a column that a byte of its file stands for at most: honest files of constant columns stay far below.
const VALUES_PER_BYTE_MAX: u64 = 1024;

thread_local! {
    /// Whether a panic on this thread is caught below, and so none of the terminal's business.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Does what reads Parquet; a panic is an error.
///
/// Whatever `work` has under way is to be dropped after an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CAUGHT.get() {
                told(info);
            }
        }));
    });
    let before = IS_CAUGHT.replace(true);
    // What the panic leaves half-done is never looked at again.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(before);
    done.unwrap_or_else(|cause| {
        let words = cause.downcast_ref::<String>().map(String::as_str);
        let words = words.or(cause.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Err(ParquetError::General(format!("a page is not what its header says ({words})")))
    })
}

/// Refuses a file that says it unpacks to far more than files do.
pub(crate) fn check_size(metadata: &ParquetMetaData, file_bytes: u64) -> Result<(), ParquetError> {
    let most = file_bytes.saturating_mul(VALUES_PER_BYTE_MAX);
    let groups = metadata.row_groups().iter();
    let claimed = groups.fold(0u64, |claimed, group| {
        let columns = group.columns().iter().map(|column| column.num_values());
        let values = columns.chain([group.num_rows()]).max().unwrap_or(0);
        claimed.saturating_add(values.max(0) as u64)
    });
    if claimed <= most {
        return Ok(());
    }
    let problem = format!("claims {claimed} values a column in {file_bytes} bytes, expected at most {most}");
    Err(ParquetError::General(problem))
}

/// The batches of a reader; after an error there are none.
pub(crate) fn guarded_batches(
    reader: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> impl Iterator<Item = Result<RecordBatch, ParquetError>> {
    let mut reader = Some(reader);
    std::iter::from_fn(move || {
        let batches = reader.as_mut()?;
        let next = guarded(|| batches.next().transpose().map_err(ParquetError::from)).transpose();
        if !matches!(next, Some(Ok(_))) {
            reader = None;
        }
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_last() {
        assert_eq!(guarded(|| Ok(3)).expect("no panic"), 3);
        let mut n = 0;
        let reader = std::iter::from_fn(|| {
            n += 1;
            assert!(n < 2, "number {n} is one too many");
            Some(Ok(RecordBatch::new_empty(arrow_schema::Schema::empty().into())))
        });
        let found: Vec<_> = guarded_batches(reader).collect();
        assert_eq!(found.len(), 2);
        let told = found[1].as_ref().expect_err("a panic").to_string();
        assert!(told.contains("number 2 is one too many"), "{told}");
    }
}
