//! Events to Parquet: one wide row an event, the file appearing whole or not at all.
//!
//! Rows are cut into row groups at a fixed count, so the bytes do not depend on how the
//! caller batches its events. Must not know cohorts, arms or metrics.

use super::{Event, EventError, What};
use crate::files;
use arrow_array::builder::{BooleanBuilder, Float32Builder, StringBuilder, UInt8Builder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Rows a row group holds.
const ROWS_PER_GROUP: usize = 1 << 17;

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
        optional("aligned", DataType::Boolean),
        optional("held_out", DataType::Boolean),
        optional("rating", DataType::UInt8),
        optional("satisfaction", DataType::Float32),
        optional("fatigue", DataType::Float32),
        optional("reason", DataType::Utf8),
        optional("text", DataType::Utf8),
    ]))
}

/// The columns of the row group being filled.
#[derive(Default)]
struct Columns {
    round: UInt32Builder,
    user: StringBuilder,
    page: UInt32Builder,
    event: StringBuilder,
    slot: UInt32Builder,
    item: StringBuilder,
    score: Float32Builder,
    propensity: Float32Builder,
    aligned: BooleanBuilder,
    held_out: BooleanBuilder,
    rating: UInt8Builder,
    satisfaction: Float32Builder,
    fatigue: Float32Builder,
    reason: StringBuilder,
    text: StringBuilder,
    n_rows: usize,
}

/// The optional cells of one row; what an event kind does not have stays null.
#[derive(Default)]
struct Cells<'a> {
    event: &'static str,
    slot: Option<u32>,
    item: Option<&'a str>,
    score: Option<f32>,
    propensity: Option<f32>,
    aligned: Option<bool>,
    held_out: Option<bool>,
    rating: Option<u8>,
    satisfaction: Option<f32>,
    fatigue: Option<f32>,
    reason: Option<&'a str>,
    text: Option<&'a str>,
}

impl Columns {
    fn push(&mut self, round: u32, user: &str, page: u32, cells: Cells<'_>) {
        self.round.append_value(round);
        self.user.append_value(user);
        self.page.append_value(page);
        self.event.append_value(cells.event);
        self.slot.append_option(cells.slot);
        self.item.append_option(cells.item);
        self.score.append_option(cells.score);
        self.propensity.append_option(cells.propensity);
        self.aligned.append_option(cells.aligned);
        self.held_out.append_option(cells.held_out);
        self.rating.append_option(cells.rating);
        self.satisfaction.append_option(cells.satisfaction);
        self.fatigue.append_option(cells.fatigue);
        self.reason.append_option(cells.reason);
        self.text.append_option(cells.text);
        self.n_rows += 1;
    }

    fn take(&mut self) -> Vec<ArrayRef> {
        self.n_rows = 0;
        vec![
            Arc::new(self.round.finish()),
            Arc::new(self.user.finish()),
            Arc::new(self.page.finish()),
            Arc::new(self.event.finish()),
            Arc::new(self.slot.finish()),
            Arc::new(self.item.finish()),
            Arc::new(self.score.finish()),
            Arc::new(self.propensity.finish()),
            Arc::new(self.aligned.finish()),
            Arc::new(self.held_out.finish()),
            Arc::new(self.rating.finish()),
            Arc::new(self.satisfaction.finish()),
            Arc::new(self.fatigue.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.text.finish()),
        ]
    }
}

/// Raw ids for the dense ids of events.
pub trait RawIds {
    /// The raw id of an agent.
    fn agent(&self, agent: crate::id::AgentId) -> &str;
    /// The raw id of an item.
    fn item(&self, item: crate::id::ItemId) -> &str;
}

/// Writes the events of one arm.
pub struct EventWriter {
    path: PathBuf,
    guard: NamedTempFile,
    writer: ArrowWriter<std::fs::File>,
    columns: Columns,
}

impl EventWriter {
    /// Starts the file that will appear at `path` when [`EventWriter::finish`] succeeds.
    pub fn create(path: &Path) -> Result<Self, EventError> {
        let io = |source| EventError::Io { path: path.to_owned(), source };
        let guard = files::temporary_beside(path).map_err(io)?;
        let file = guard.as_file().try_clone().map_err(io)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_created_by(concat!("windtunnel ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(file, schema(), Some(properties))
            .map_err(|source| EventError::Parquet { path: path.to_owned(), source })?;
        Ok(EventWriter { path: path.to_owned(), guard, writer, columns: Columns::default() })
    }

    /// Appends events. They must come sorted by (round, agent), as they are read back.
    pub fn write(&mut self, events: &[Event], raw: &dyn RawIds) -> Result<(), EventError> {
        for event in events {
            self.columns.push(event.round, raw.agent(event.agent), event.page, cells(&event.what, raw));
            if self.columns.n_rows == ROWS_PER_GROUP {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), EventError> {
        let failed = |source| EventError::Parquet { path: self.path.clone(), source };
        let batch = RecordBatch::try_new(schema(), self.columns.take()).map_err(|e| failed(e.into()))?;
        self.writer.write(&batch).map_err(failed)?;
        self.writer.flush().map_err(failed)
    }

    /// Completes the file, makes it durable and moves it into place.
    pub fn finish(mut self) -> Result<(), EventError> {
        if self.columns.n_rows > 0 {
            self.flush()?;
        }
        let path = self.path;
        self.writer.close().map_err(|source| EventError::Parquet { path: path.clone(), source })?;
        let io = |source| EventError::Io { path: path.clone(), source };
        self.guard.as_file().sync_all().map_err(io)?;
        files::persist(self.guard, &path).map_err(io)
    }
}

/// The cells of one event.
fn cells<'a>(what: &'a What, raw: &'a dyn RawIds) -> Cells<'a> {
    match what {
        What::Exposure { slot, item, score, propensity, aligned, held_out } => Cells {
            event: "exposure",
            slot: Some(*slot),
            item: Some(raw.item(*item)),
            score: Some(*score),
            propensity: *propensity,
            aligned: *aligned,
            held_out: Some(*held_out),
            ..Cells::default()
        },
        What::Watch { slot, item } => {
            Cells { event: "watch", slot: Some(*slot), item: Some(raw.item(*item)), ..Cells::default() }
        }
        What::Rating { slot, item, rating, feeling } => Cells {
            event: "rating",
            slot: Some(*slot),
            item: Some(raw.item(*item)),
            rating: Some(*rating),
            text: Some(feeling),
            ..Cells::default()
        },
        What::Reflection { satisfaction, fatigue, text } => Cells {
            event: "reflection",
            satisfaction: Some(*satisfaction),
            fatigue: Some(*fatigue),
            text: Some(text),
            ..Cells::default()
        },
        What::Forgetting { text } => Cells { event: "forgetting", text: Some(text), ..Cells::default() },
        What::Exit { reason, text } => Cells {
            event: "exit",
            reason: Some(reason.name()),
            text: (!text.is_empty()).then_some(text),
            ..Cells::default()
        },
        What::Interview { satisfaction, text } => Cells {
            event: "interview",
            satisfaction: Some(f32::from(*satisfaction)),
            text: Some(text),
            ..Cells::default()
        },
        What::Failure { step, cause } => {
            Cells { event: "failure", reason: Some(step), text: Some(cause), ..Cells::default() }
        }
    }
}
