//! Events to Parquet: one wide row an event, the file appearing whole or not at all.
//!
//! Rows are cut into row groups at a fixed count, so the bytes do not depend on how the
//! caller batches its events. Row groups are encoded side by side, each by one thread, and appended in order.
//! Must not know cohorts, arms or metrics.

use super::{Event, EventError, What};
use crate::files;
use crate::id::{AgentId, ItemId};
use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Int32Builder, StringBuilder, UInt8Builder, UInt32Builder,
};
use arrow_array::{ArrayRef, DictionaryArray, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::add_encoded_arrow_schema_to_metadata;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Rows a row group holds.
const ROWS_PER_GROUP: usize = 1 << 17;

/// Row groups that are encoded side by side, a thread: enough for all to have something to do, few enough for
/// little memory.
const GROUPS_PER_THREAD: usize = 2;

/// The columns of an event file, in order.
pub(super) fn schema() -> Arc<Schema> {
    let required = |name: &str, kind| Field::new(name, kind, false);
    let optional = |name: &str, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        required("round", DataType::UInt32),
        required("user", DataType::Utf8),
        required("page", DataType::UInt32),
        required("event", DataType::Utf8),
        optional("slot", DataType::UInt32),
        optional("item", DataType::Utf8),
        optional("score", DataType::Float32),
        optional("propensity", DataType::Float32),
        optional("advertised", DataType::Boolean),
        optional("aligned", DataType::Boolean),
        optional("held_out", DataType::Boolean),
        optional("rating", DataType::UInt8),
        optional("satisfaction", DataType::Float32),
        optional("fatigue", DataType::Float32),
        optional("reason", DataType::Utf8),
        optional("text", DataType::Utf8),
    ]))
}

/// How the file is written: bounds of the two columns by which readers pass over row groups, no dictionaries of
/// numbers that hardly ever come twice.
fn properties() -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_created_by(concat!("windtunnel ", env!("CARGO_PKG_VERSION")).to_owned());
    for bounded in ["round", "user"] {
        properties = properties.set_column_statistics_enabled(column(bounded), EnabledStatistics::Chunk);
    }
    for own in ["score", "propensity"] {
        properties = properties.set_column_dictionary_enabled(column(own), false);
    }
    properties.build()
}

/// Raw ids for the dense ids of events.
pub trait RawIds: Sync {
    /// The raw id of an agent.
    fn agent(&self, agent: AgentId) -> Cow<'_, str>;
    /// The raw id of an item.
    fn item(&self, item: ItemId) -> &str;
}

/// Writes the events of one part of an arm's log.
pub struct EventWriter<'a> {
    raw: &'a dyn RawIds,
    path: PathBuf,
    guard: NamedTempFile,
    writer: SerializedFileWriter<std::fs::File>,
    factory: ArrowRowGroupWriterFactory,
    schema: Arc<Schema>,
    /// Events that wait until there are enough for all threads.
    rest: Vec<Event>,
}

impl<'a> EventWriter<'a> {
    /// Starts the file that will appear at `path` when [`EventWriter::finish`] succeeds.
    pub fn create(path: &Path, raw: &'a dyn RawIds) -> Result<Self, EventError> {
        let io = |source| EventError::Io { path: path.to_owned(), source };
        let failed = |source| EventError::Parquet { path: path.to_owned(), source };
        let guard = files::temporary_beside(path).map_err(io)?;
        let file = guard.as_file().try_clone().map_err(io)?;
        let schema = schema();
        let columns = ArrowSchemaConverter::new().convert(&schema).map_err(failed)?;
        let mut properties = properties();
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let writer = SerializedFileWriter::new(file, columns.root_schema_ptr(), Arc::new(properties))
            .map_err(failed)?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, schema.clone());
        Ok(EventWriter { raw, path: path.to_owned(), guard, writer, factory, schema, rest: Vec::new() })
    }

    /// Appends events. They must come sorted by (round, agent), as they are read back.
    pub fn write(&mut self, events: &[Event]) -> Result<(), EventError> {
        let n_rows = ROWS_PER_GROUP * GROUPS_PER_THREAD * rayon::current_num_threads();
        let mut events = events;
        while self.rest.len() + events.len() >= n_rows {
            let (first, others) = events.split_at(n_rows - self.rest.len());
            self.rest.extend_from_slice(first);
            self.append_rest()?;
            events = others;
        }
        self.rest.extend_from_slice(events);
        Ok(())
    }

    /// Appends the row groups of all events that wait.
    fn append_rest(&mut self) -> Result<(), EventError> {
        let mut rest = std::mem::take(&mut self.rest);
        self.append(&rest.chunks(ROWS_PER_GROUP).collect::<Vec<_>>())?;
        rest.clear();
        self.rest = rest;
        Ok(())
    }

    /// Appends these row groups.
    fn append(&mut self, groups: &[&[Event]]) -> Result<(), EventError> {
        let failed = |source| EventError::Parquet { path: self.path.clone(), source };
        let first = self.writer.flushed_row_groups().len();
        let encoded: Vec<Result<Vec<ArrowColumnChunk>, ParquetError>> = (first..)
            .zip(groups)
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(number, events)| encode(&self.factory, &self.schema, number, events, self.raw))
            .collect();
        for chunks in encoded {
            let mut group = self.writer.next_row_group().map_err(failed)?;
            for chunk in chunks.map_err(failed)? {
                chunk.append_to_row_group(&mut group).map_err(failed)?;
            }
            group.close().map_err(failed)?;
        }
        Ok(())
    }

    /// Completes the file, makes it durable and moves it into place.
    pub fn finish(mut self) -> Result<(), EventError> {
        self.append_rest()?;
        let path = self.path;
        self.writer.close().map_err(|source| EventError::Parquet { path: path.clone(), source })?;
        let io = |source| EventError::Io { path: path.clone(), source };
        self.guard.as_file().sync_all().map_err(io)?;
        files::persist(self.guard, &path).map_err(io)
    }
}

/// One row group, column by column.
fn encode(
    factory: &ArrowRowGroupWriterFactory,
    schema: &Schema,
    number: usize,
    events: &[Event],
    raw: &dyn RawIds,
) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
    let mut columns = Columns::default();
    events.iter().for_each(|event| columns.push(event, raw));
    let writers = factory.create_column_writers(number)?;
    let arrays = columns.finish();
    assert_eq!(arrays.len(), writers.len(), "one array a column");
    let mut chunks = Vec::with_capacity(writers.len());
    for ((mut writer, field), array) in writers.into_iter().zip(schema.fields()).zip(arrays) {
        for leaf in compute_leaves(field, &array)? {
            writer.write(&leaf)?;
        }
        chunks.push(writer.close()?);
    }
    Ok(chunks)
}

/// A column of texts that come again and again: each kept once, and a key a row.
#[derive(Default)]
struct Texts {
    keys: Int32Builder,
    values: StringBuilder,
    n_values: i32,
    /// Keys of fixed phrases, by where they stand in the program.
    fixed: HashMap<(usize, usize), i32>,
}

impl Texts {
    /// Keeps a text, whether it was there before or not.
    fn keep(&mut self, text: &str) -> i32 {
        self.values.append_value(text);
        self.n_values += 1;
        self.n_values - 1
    }

    fn push_fixed(&mut self, text: &'static str) {
        let place = (text.as_ptr() as usize, text.len());
        let key = match self.fixed.get(&place) {
            Some(&key) => key,
            None => {
                let key = self.keep(text);
                self.fixed.insert(place, key);
                key
            }
        };
        self.keys.append_value(key);
    }

    fn push(&mut self, text: &super::Text) {
        match text {
            Cow::Borrowed(fixed) => self.push_fixed(fixed),
            Cow::Owned(own) => {
                let key = self.keep(own);
                self.keys.append_value(key);
            }
        }
    }

    fn finish(mut self) -> ArrayRef {
        let values: StringArray = self.values.finish();
        let keys = self.keys.finish();
        Arc::new(DictionaryArray::new(keys, Arc::new(values)))
    }
}

/// The columns of a row group being filled.
#[derive(Default)]
struct Columns {
    round: UInt32Builder,
    user: Texts,
    last: Option<(AgentId, i32)>,
    page: UInt32Builder,
    event: Texts,
    slot: UInt32Builder,
    item: Texts,
    /// Keys of items, by item; -1 of those that have not come yet.
    item_keys: Vec<i32>,
    score: Float32Builder,
    propensity: Float32Builder,
    advertised: BooleanBuilder,
    aligned: BooleanBuilder,
    held_out: BooleanBuilder,
    rating: UInt8Builder,
    satisfaction: Float32Builder,
    fatigue: Float32Builder,
    reason: Texts,
    text: Texts,
}

impl Columns {
    fn push(&mut self, event: &Event, raw: &dyn RawIds) {
        self.round.append_value(event.round);
        self.push_user(event.agent, raw);
        self.page.append_value(event.page);
        self.event.push_fixed(name(&event.what));
        self.push_place(&event.what, raw);
        self.push_exposure(&event.what);
        self.push_reaction(&event.what);
        self.push_words(&event.what);
    }

    /// Events come agent by agent.
    fn push_user(&mut self, agent: AgentId, raw: &dyn RawIds) {
        let key = match self.last {
            Some((last, key)) if last == agent => key,
            _ => self.user.keep(&raw.agent(agent)),
        };
        self.last = Some((agent, key));
        self.user.keys.append_value(key);
    }

    fn push_place(&mut self, what: &What, raw: &dyn RawIds) {
        let place = match *what {
            What::Exposure { slot, item, .. }
            | What::Watch { slot, item }
            | What::Rating { slot, item, .. } => Some((slot, item)),
            _ => None,
        };
        self.slot.append_option(place.map(|(slot, _)| slot));
        let key = place.map(|(_, item)| self.item_key(item, raw));
        self.item.keys.append_option(key);
    }

    fn item_key(&mut self, item: ItemId, raw: &dyn RawIds) -> i32 {
        if self.item_keys.len() <= item.idx() {
            self.item_keys.resize(item.idx() + 1, -1);
        }
        if self.item_keys[item.idx()] < 0 {
            self.item_keys[item.idx()] = self.item.keep(raw.item(item));
        }
        self.item_keys[item.idx()]
    }

    fn push_exposure(&mut self, what: &What) {
        if let What::Exposure { score, propensity, advertised, aligned, held_out, .. } = *what {
            self.score.append_value(score);
            self.propensity.append_option(propensity);
            self.advertised.append_option(advertised);
            self.aligned.append_option(aligned);
            self.held_out.append_value(held_out);
        } else {
            self.score.append_null();
            self.propensity.append_null();
            self.advertised.append_null();
            self.aligned.append_null();
            self.held_out.append_null();
        }
    }

    fn push_reaction(&mut self, what: &What) {
        let (rating, satisfaction, fatigue) = match *what {
            What::Rating { rating, .. } => (Some(rating), None, None),
            What::Reflection { satisfaction, fatigue, .. } => (None, Some(satisfaction), Some(fatigue)),
            What::Interview { satisfaction, .. } => (None, Some(f32::from(satisfaction)), None),
            _ => (None, None, None),
        };
        self.rating.append_option(rating);
        self.satisfaction.append_option(satisfaction);
        self.fatigue.append_option(fatigue);
    }

    fn push_words(&mut self, what: &What) {
        match what {
            What::Exit { reason, .. } => self.reason.push_fixed(reason.name()),
            What::Failure { step, .. } => self.reason.push(step),
            _ => self.reason.keys.append_null(),
        }
        match what {
            What::Rating { feeling: text, .. }
            | What::Reflection { text, .. }
            | What::Forgetting { text }
            | What::Interview { text, .. }
            | What::Failure { cause: text, .. } => self.text.push(text),
            What::Exit { text, .. } if !text.is_empty() => self.text.push(text),
            What::Exit { .. } | What::Exposure { .. } | What::Watch { .. } => self.text.keys.append_null(),
        }
    }

    /// The arrays, in the order of [`schema`].
    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.round.finish()),
            self.user.finish(),
            Arc::new(self.page.finish()),
            self.event.finish(),
            Arc::new(self.slot.finish()),
            self.item.finish(),
            Arc::new(self.score.finish()),
            Arc::new(self.propensity.finish()),
            Arc::new(self.advertised.finish()),
            Arc::new(self.aligned.finish()),
            Arc::new(self.held_out.finish()),
            Arc::new(self.rating.finish()),
            Arc::new(self.satisfaction.finish()),
            Arc::new(self.fatigue.finish()),
            self.reason.finish(),
            self.text.finish(),
        ]
    }
}

/// The name of a kind of event in files.
fn name(what: &What) -> &'static str {
    match what {
        What::Exposure { .. } => "exposure",
        What::Watch { .. } => "watch",
        What::Rating { .. } => "rating",
        What::Reflection { .. } => "reflection",
        What::Forgetting { .. } => "forgetting",
        What::Exit { .. } => "exit",
        What::Interview { .. } => "interview",
        What::Failure { .. } => "failure",
    }
}
