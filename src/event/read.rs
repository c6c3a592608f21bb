//! Parquet back to sessions, streaming: one session in memory at a time.
//! Must not know who wrote the file; every cell is checked.

use super::assemble::Told;
use super::{EventError, ExitReason, Session};
use crate::id::{AgentId, ItemId};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type, UInt32Type};
use arrow_array::{Array, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Dense ids for the raw ids of an event file.
pub struct DenseIds {
    agents: HashMap<String, AgentId>,
    items: HashMap<String, ItemId>,
}

impl DenseIds {
    /// From the raw ids in dense order.
    pub fn new<'a>(
        agents: impl IntoIterator<Item = &'a str>,
        items: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let number = |(k, raw): (usize, &str)| (raw.to_owned(), k as u32);
        DenseIds {
            agents: agents.into_iter().enumerate().map(number).map(|(raw, k)| (raw, AgentId(k))).collect(),
            items: items.into_iter().enumerate().map(number).map(|(raw, k)| (raw, ItemId(k))).collect(),
        }
    }

    /// The agent of this raw id.
    pub fn agent(&self, raw: &str) -> Option<AgentId> {
        self.agents.get(raw).copied()
    }

    /// The item of this raw id.
    pub fn item(&self, raw: &str) -> Option<ItemId> {
        self.items.get(raw).copied()
    }
}

/// Calls `take` with every session of an event file, in file order.
pub fn for_each_session(
    path: &Path,
    ids: &DenseIds,
    mut take: impl FnMut(&Session),
) -> Result<(), EventError> {
    let parquet = |source| EventError::Parquet { path: path.to_owned(), source };
    let file =
        std::fs::File::open(path).map_err(|source| EventError::Io { path: path.to_owned(), source })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet)?;
    check_schema(path, builder.schema())?;
    let reader: ParquetRecordBatchReader = builder.with_batch_size(8192).build().map_err(parquet)?;
    let mut assembly = Assembly { path: path.to_owned(), session: None, row: 0 };
    for batch in reader {
        let batch = batch.map_err(|e| parquet(e.into()))?;
        assembly.take_batch(&batch, ids, &mut take)?;
    }
    if let Some(session) = assembly.session.take() {
        take(&session);
    }
    Ok(())
}

/// Refuses a file whose columns are not those of an event file.
fn check_schema(path: &Path, found: &arrow_schema::Schema) -> Result<(), EventError> {
    for field in super::write::schema().fields() {
        let ok = found.field_with_name(field.name()).is_ok_and(|f| f.data_type() == field.data_type());
        if !ok {
            return Err(EventError::BadRow {
                path: path.to_owned(),
                row: 0,
                problem: format!("no column `{}` of type {}", field.name(), field.data_type()),
            });
        }
    }
    Ok(())
}

/// The session being put together, and where in the file we are.
struct Assembly {
    path: PathBuf,
    session: Option<Session>,
    row: u64,
}

/// The columns of a batch that a session needs.
struct Row<'a> {
    round: &'a PrimitiveArray<UInt32Type>,
    user: &'a StringArray,
    page: &'a PrimitiveArray<UInt32Type>,
    event: &'a StringArray,
    slot: &'a PrimitiveArray<UInt32Type>,
    item: &'a StringArray,
    aligned: &'a BooleanArray,
    held_out: &'a BooleanArray,
    rating: &'a PrimitiveArray<UInt8Type>,
    satisfaction: &'a PrimitiveArray<Float32Type>,
    fatigue: &'a PrimitiveArray<Float32Type>,
    reason: &'a StringArray,
}

impl<'a> Row<'a> {
    /// The columns by name; `check_schema` has made sure of names and types.
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let column = |name: &str| batch.column_by_name(name);
        Some(Row {
            round: column("round")?.as_primitive_opt()?,
            user: column("user")?.as_string_opt()?,
            page: column("page")?.as_primitive_opt()?,
            event: column("event")?.as_string_opt()?,
            slot: column("slot")?.as_primitive_opt()?,
            item: column("item")?.as_string_opt()?,
            aligned: column("aligned")?.as_boolean_opt()?,
            held_out: column("held_out")?.as_boolean_opt()?,
            rating: column("rating")?.as_primitive_opt()?,
            satisfaction: column("satisfaction")?.as_primitive_opt()?,
            fatigue: column("fatigue")?.as_primitive_opt()?,
            reason: column("reason")?.as_string_opt()?,
        })
    }
}

impl Assembly {
    fn bad(&self, problem: impl Into<String>) -> EventError {
        EventError::BadRow { path: self.path.clone(), row: self.row, problem: problem.into() }
    }

    fn take_batch(
        &mut self,
        batch: &RecordBatch,
        ids: &DenseIds,
        take: &mut impl FnMut(&Session),
    ) -> Result<(), EventError> {
        let columns = Row::of(batch).ok_or_else(|| self.bad("columns are not those of an event file"))?;
        for k in 0..batch.num_rows() {
            let raw = columns.user.value(k);
            let agent =
                *ids.agents.get(raw).ok_or_else(|| self.bad(format!("user {raw:?} is not in agents.csv")))?;
            let round = columns.round.value(k);
            if self.session.as_ref().is_none_or(|s| s.agent != agent || s.round != round) {
                if let Some(done) = self.session.take() {
                    take(&done);
                }
                self.session = Some(Session::new(round, agent));
            }
            self.apply(&columns, k, ids)?;
            self.row += 1;
        }
        Ok(())
    }

    /// Applies one row to the open session.
    fn apply(&mut self, columns: &Row<'_>, k: usize, ids: &DenseIds) -> Result<(), EventError> {
        let page = columns.page.value(k);
        let kind = columns.event.value(k);
        let item = match kind {
            "exposure" => {
                let raw = if columns.item.is_null(k) { "" } else { columns.item.value(k) };
                let known = ids.items.get(raw);
                Some(*known.ok_or_else(|| self.bad(format!("item {raw:?} is not in items.csv")))?)
            }
            _ => None,
        };
        let problem = match self.session.as_mut() {
            Some(session) => told(columns, k, kind, item).and_then(|told| session.apply(page, told)).err(),
            None => None,
        };
        problem.map_or(Ok(()), |problem| Err(self.bad(problem)))
    }
}

/// What a row tells; the error says what it cannot mean.
fn told(columns: &Row<'_>, k: usize, kind: &str, item: Option<ItemId>) -> Result<Told, String> {
    let slot = (!columns.slot.is_null(k)).then(|| columns.slot.value(k));
    Ok(match (kind, item) {
        ("exposure", Some(item)) => Told::Exposure {
            slot,
            item,
            aligned: (!columns.aligned.is_null(k)).then(|| columns.aligned.value(k)),
            held_out: !columns.held_out.is_null(k) && columns.held_out.value(k),
        },
        ("watch", _) => Told::Watch { slot },
        ("rating", _) => {
            Told::Rating { slot, rating: (!columns.rating.is_null(k)).then(|| columns.rating.value(k)) }
        }
        ("reflection", _) => Told::Reflection {
            satisfaction: columns.satisfaction.value(k),
            fatigue: columns.fatigue.value(k),
        },
        ("exit", _) => {
            let name = columns.reason.value(k);
            Told::Exit(ExitReason::from_name(name).ok_or(format!("unknown exit reason {name:?}"))?)
        }
        ("interview", _) => Told::Interview { satisfaction: columns.satisfaction.value(k) as u8 },
        ("failure", _) => Told::Failure,
        ("forgetting", _) => Told::Aside,
        _ => return Err(format!("unknown event {kind:?}")),
    })
}
