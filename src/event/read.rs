//! Parquet back to sessions and stories, streaming: one in memory at a time.
//! Must not know who wrote the file; every cell is checked.

use super::assemble::Told;
use super::story::Story;
use super::{EventError, ExitReason, Session};
use crate::id::{AgentId, ItemId};
use crate::intake::batches::{guarded, guarded_batches};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt8Type, UInt32Type};
use arrow_array::{Array, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
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
    for_each(path, ids, None, &mut |story| take(&story.session))
}

/// Calls `take` with all that these users (raw ids) did and said in a round, in file order. Row groups
/// that hold none of them are not read.
pub fn for_each_story(
    path: &Path,
    ids: &DenseIds,
    round: u32,
    users: &[&str],
    mut take: impl FnMut(&Story),
) -> Result<(), EventError> {
    for_each(path, ids, Some(Wanted { round, users }), &mut |story| take(story))
}

/// Whose rows are wanted; all of their texts, too.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    round: u32,
    users: &'a [&'a str],
}

/// With nobody wanted in particular: everybody, and no texts.
fn for_each(
    path: &Path,
    ids: &DenseIds,
    wanted: Option<Wanted<'_>>,
    take: &mut dyn FnMut(&Story),
) -> Result<(), EventError> {
    let parquet = |source| EventError::Parquet { path: path.to_owned(), source };
    let io = |source| EventError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
    let metadata = guarded(load).map_err(parquet)?;
    check_schema(path, metadata.schema())?;
    let mut assembly = Assembly { path: path.to_owned(), wanted, story: None, row: 0 };
    let mut group_begins = 0;
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        assembly.row = group_begins;
        group_begins = u64::saturating_add(group_begins, group.num_rows().max(0) as u64);
        if wanted.is_some_and(|wanted| !may_hold(group, wanted)) {
            continue;
        }
        let file = file.try_clone().map_err(io)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let build = || builder.with_row_groups(vec![number]).with_batch_size(8192).build();
        let reader = guarded(build).map_err(parquet)?;
        for batch in guarded_batches(reader) {
            let batch = batch.map_err(parquet)?;
            assembly.take_batch(&batch, ids, take)?;
        }
    }
    if let Some(story) = assembly.story.take() {
        take(&story);
    }
    Ok(())
}

/// Whether a row group can hold rows that are wanted, going by the bounds it gives of its columns.
fn may_hold(group: &RowGroupMetaData, wanted: Wanted<'_>) -> bool {
    let bounds = |name: &str| {
        let column = group.columns().iter().find(|column| column.column_path().string() == name)?;
        column.statistics().filter(|statistics| !statistics.is_min_max_deprecated())
    };
    let round_fits = match bounds("round") {
        Some(Statistics::Int32(rounds)) => match (rounds.min_opt(), rounds.max_opt()) {
            (Some(&low), Some(&high)) => (low as u32..=high as u32).contains(&wanted.round),
            _ => true,
        },
        _ => true,
    };
    let user_fits = match bounds("user").map(|users| (users.min_bytes_opt(), users.max_bytes_opt())) {
        Some((Some(low), Some(high))) => {
            wanted.users.iter().any(|user| (low..=high).contains(&user.as_bytes()))
        }
        _ => true,
    };
    round_fits && user_fits
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

/// The story being put together, and where in the file we are.
struct Assembly<'a> {
    path: PathBuf,
    wanted: Option<Wanted<'a>>,
    story: Option<Story>,
    row: u64,
}

/// The columns of a batch that a story needs.
struct Row<'a> {
    round: &'a PrimitiveArray<UInt32Type>,
    user: &'a StringArray,
    page: &'a PrimitiveArray<UInt32Type>,
    event: &'a StringArray,
    slot: &'a PrimitiveArray<UInt32Type>,
    item: &'a StringArray,
    propensity: &'a PrimitiveArray<Float32Type>,
    advertised: &'a BooleanArray,
    aligned: &'a BooleanArray,
    held_out: &'a BooleanArray,
    rating: &'a PrimitiveArray<UInt8Type>,
    satisfaction: &'a PrimitiveArray<Float32Type>,
    fatigue: &'a PrimitiveArray<Float32Type>,
    reason: &'a StringArray,
    text: &'a StringArray,
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
            propensity: column("propensity")?.as_primitive_opt()?,
            advertised: column("advertised")?.as_boolean_opt()?,
            aligned: column("aligned")?.as_boolean_opt()?,
            held_out: column("held_out")?.as_boolean_opt()?,
            rating: column("rating")?.as_primitive_opt()?,
            satisfaction: column("satisfaction")?.as_primitive_opt()?,
            fatigue: column("fatigue")?.as_primitive_opt()?,
            reason: column("reason")?.as_string_opt()?,
            text: column("text")?.as_string_opt()?,
        })
    }
}

impl Assembly<'_> {
    fn bad(&self, problem: impl Into<String>) -> EventError {
        EventError::BadRow { path: self.path.clone(), row: self.row, problem: problem.into() }
    }

    fn take_batch(
        &mut self,
        batch: &RecordBatch,
        ids: &DenseIds,
        take: &mut dyn FnMut(&Story),
    ) -> Result<(), EventError> {
        let columns = Row::of(batch).ok_or_else(|| self.bad("columns are not those of an event file"))?;
        for k in 0..batch.num_rows() {
            let (raw, round) = (columns.user.value(k), columns.round.value(k));
            if self.wanted.is_none_or(|wanted| wanted.round == round && wanted.users.contains(&raw)) {
                let agent =
                    ids.agent(raw).ok_or_else(|| self.bad(format!("user {raw:?} is not in agents.csv")))?;
                let is_another = |s: &Story| s.session.agent != agent || s.session.round != round;
                if self.story.as_ref().is_none_or(is_another)
                    && let Some(done) = self.story.replace(Story::new(round, agent))
                {
                    take(&done);
                }
                self.apply(&columns, k, ids)?;
            }
            self.row += 1;
        }
        Ok(())
    }

    /// Applies one row to the open story.
    fn apply(&mut self, columns: &Row<'_>, k: usize, ids: &DenseIds) -> Result<(), EventError> {
        let page = columns.page.value(k);
        let kind = columns.event.value(k);
        let item = match kind {
            "exposure" => {
                let raw = text(columns.item, k);
                let known = ids.item(raw);
                Some(known.ok_or_else(|| self.bad(format!("item {raw:?} is not in items.csv")))?)
            }
            _ => None,
        };
        let with_words = self.wanted.is_some();
        let problem =
            match self.story.as_mut() {
                Some(story) => told(columns, k, kind, item)
                    .and_then(|told| {
                        if with_words { story.apply(page, told) } else { story.session.apply(page, told) }
                    })
                    .err(),
                None => None,
            };
        problem.map_or(Ok(()), |problem| Err(self.bad(problem)))
    }
}

/// A text; empty where there is none.
fn text(column: &StringArray, k: usize) -> &str {
    if column.is_null(k) { "" } else { column.value(k) }
}

/// What a row tells; the error says what it cannot mean.
fn told<'a>(columns: &Row<'a>, k: usize, kind: &str, item: Option<ItemId>) -> Result<Told<'a>, String> {
    let slot = (!columns.slot.is_null(k)).then(|| columns.slot.value(k));
    let words = text(columns.text, k);
    Ok(match (kind, item) {
        ("exposure", Some(item)) => Told::Exposure {
            slot,
            item,
            aligned: (!columns.aligned.is_null(k)).then(|| columns.aligned.value(k)),
            held_out: !columns.held_out.is_null(k) && columns.held_out.value(k),
            propensity: (!columns.propensity.is_null(k)).then(|| columns.propensity.value(k)),
            advertised: (!columns.advertised.is_null(k)).then(|| columns.advertised.value(k)),
        },
        ("watch", _) => Told::Watch { slot },
        ("rating", _) => Told::Rating {
            slot,
            rating: (!columns.rating.is_null(k)).then(|| columns.rating.value(k)),
            feeling: words,
        },
        ("reflection", _) => Told::Reflection {
            satisfaction: columns.satisfaction.value(k),
            fatigue: columns.fatigue.value(k),
            text: words,
        },
        ("exit", _) => {
            let name = columns.reason.value(k);
            let reason = ExitReason::from_name(name).ok_or(format!("unknown exit reason {name:?}"))?;
            Told::Exit { reason, text: words }
        }
        ("interview", _) => {
            Told::Interview { satisfaction: columns.satisfaction.value(k) as u8, text: words }
        }
        ("failure", _) => Told::Failure { step: text(columns.reason, k), cause: words },
        ("forgetting", _) => Told::Forgetting { text: words },
        _ => return Err(format!("unknown event {kind:?}")),
    })
}

#[cfg(test)]
mod tests;
