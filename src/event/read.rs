//! Parquet back to sessions and stories, streaming: some row groups in memory at a time, taken apart side by side.
//! Must not know who wrote the file; every cell is checked.

use super::assemble::Told;
pub use super::ids::DenseIds;
use super::story::Story;
use super::{Event, EventError, ExitReason, Session, Text, What};
use crate::id::{AgentId, ItemId};
use crate::intake::batches::{check_size, guarded, guarded_batches};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, UInt8Type, UInt32Type};
use arrow_array::{Array, BooleanArray, Int32Array, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Row groups taken apart side by side.
const GROUPS_AT_ONCE: usize = 8;

/// Rows of a row group that are taken apart at once: a whole group of ours.
const ROWS_AT_ONCE: usize = 1 << 17;

/// Calls `take` with every session of an event file, in file order.
pub fn for_each_session(
    path: &Path,
    ids: &DenseIds,
    mut take: impl FnMut(&Session),
) -> Result<(), EventError> {
    for_each(path, ids, None, &mut |story| take(&story.session))
}

/// The same with some sessions at a time, to keep.
pub fn for_some_sessions(
    path: &Path,
    ids: &DenseIds,
    mut take: impl FnMut(&[Session]),
) -> Result<(), EventError> {
    let mut some = Vec::with_capacity(SESSIONS_AT_ONCE);
    for_each(path, ids, None, &mut |story| {
        some.push(std::mem::replace(&mut story.session, Session::new(0, AgentId(0))));
        if some.len() == SESSIONS_AT_ONCE {
            take(&some);
            some.clear();
        }
    })?;
    if !some.is_empty() {
        take(&some);
    }
    Ok(())
}

/// Sessions handed over at once.
const SESSIONS_AT_ONCE: usize = 1 << 14;

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

/// Calls `take` with the events of a file as they were written, in file order, some at a time.
pub fn for_some_events(
    path: &Path,
    ids: &DenseIds,
    mut take: impl FnMut(&[Event]) -> Result<(), EventError>,
) -> Result<(), EventError> {
    let log = Log::open(path, ids, None, &[])?;
    for some in log.groups().chunks(GROUPS_AT_ONCE) {
        let read: Vec<Result<Vec<Event>, EventError>> =
            some.par_iter().map(|&(number, first_row)| log.events(number, first_row)).collect();
        read.into_iter().try_for_each(|events| take(&events?))?;
    }
    Ok(())
}

/// With nobody wanted in particular: everybody, and no texts.
fn for_each(
    path: &Path,
    ids: &DenseIds,
    wanted: Option<Wanted<'_>>,
    take: &mut dyn FnMut(&mut Story),
) -> Result<(), EventError> {
    let unread = if wanted.is_some() { &UNREAD[..1] } else { &UNREAD };
    let log = Log::open(path, ids, wanted, unread)?;
    let mut open: Option<Story> = None;
    for some in log.groups().chunks(GROUPS_AT_ONCE) {
        let taken_apart: Vec<Apart> =
            some.par_iter().map(|&(number, first_row)| log.take_apart(number, first_row)).collect();
        for mut apart in taken_apart {
            // What comes first may go on with what came last.
            if let Some(head) = &apart.head {
                if open.as_ref().is_some_and(|open| !head.goes_on(open))
                    && let Some(mut done) = open.take()
                {
                    take(&mut done);
                }
                log.apply_all(open.get_or_insert_with(|| head.story()), head)?;
            }
            if let Some(last) = apart.stories.pop() {
                open.iter_mut().for_each(&mut *take);
                apart.stories.iter_mut().for_each(&mut *take);
                open = Some(last);
            }
            if let Some(error) = apart.error {
                return Err(error);
            }
        }
    }
    open.iter_mut().for_each(take);
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
fn check_schema(path: &Path, found: &Schema) -> Result<(), EventError> {
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

/// Columns that no session needs; the second is of stories with their words.
const UNREAD: [&str; 2] = ["score", "text"];

/// An event file being read.
struct Log<'a> {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    columns: ProjectionMask,
    ids: &'a DenseIds,
    wanted: Option<Wanted<'a>>,
}

/// What is wrong with a file that has other columns.
const NOT_EVENTS: &str = "columns are not those of an event file";

/// A row group taken apart.
#[derive(Default)]
struct Apart {
    /// The rows of the first session, which may have begun in the group before.
    head: Option<Head>,
    /// The sessions after it, the last of which may go on in the next group.
    stories: Vec<Story>,
    /// What is wrong with the row after these.
    error: Option<EventError>,
}

/// Rows of one session, not applied yet.
struct Head {
    round: u32,
    agent: AgentId,
    /// Batches, with the first of their rows in the file, and the rows that are of this session.
    rows: Vec<(Batch, std::ops::Range<usize>)>,
}

impl Head {
    fn goes_on(&self, story: &Story) -> bool {
        story.session.agent == self.agent && story.session.round == self.round
    }

    fn story(&self) -> Story {
        Story::new(self.round, self.agent)
    }
}

/// Some rows with what their texts stand for.
#[derive(Clone)]
struct Batch {
    rows: Arc<RecordBatch>,
    /// The first row's place in the file.
    first_row: u64,
    /// The agent of every entry of the dictionary of users; `None` of users that are unknown.
    agents: Arc<Vec<Option<AgentId>>>,
    /// The item of every entry of the dictionary of items, likewise.
    items: Arc<Vec<Option<ItemId>>>,
}

impl Batch {
    /// Whose row it is.
    fn agent(&self, columns: &Row<'_>, k: usize) -> Result<AgentId, String> {
        let agent = columns.user.key(k).and_then(|key| *self.agents.get(key)?);
        agent.ok_or_else(|| format!("user {:?} is not in agents.csv", columns.user.text(k)))
    }

    /// The item that a row is about.
    fn item(&self, columns: &Row<'_>, k: usize) -> Result<ItemId, String> {
        let item = columns.item.key(k).and_then(|key| *self.items.get(key)?);
        item.ok_or_else(|| format!("item {:?} is not in items.csv", columns.item.text(k)))
    }
}

impl<'a> Log<'a> {
    fn open(
        path: &Path,
        ids: &'a DenseIds,
        wanted: Option<Wanted<'a>>,
        unread: &[&str],
    ) -> Result<Self, EventError> {
        let parquet = |source| EventError::Parquet { path: path.to_owned(), source };
        let io = |source| EventError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let load = || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let plain = guarded(load).map_err(parquet)?;
        check_size(plain.metadata(), file.metadata().map_err(io)?.len()).map_err(parquet)?;
        check_schema(path, plain.schema())?;
        // Texts come as keys into dictionaries, as they are in the file: each is looked at once.
        let keyed = |field: &Arc<Field>| match field.data_type() {
            DataType::Utf8 => {
                let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                Arc::new(field.as_ref().clone().with_data_type(kind))
            }
            _ => field.clone(),
        };
        let schema = Arc::new(Schema::new(plain.schema().fields().iter().map(keyed).collect::<Vec<_>>()));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let metadata =
            guarded(|| ArrowReaderMetadata::try_new(plain.metadata().clone(), options)).map_err(parquet)?;
        let is_read =
            |name: &str| super::write::schema().field_with_name(name).is_ok() && !unread.contains(&name);
        let fields = metadata.schema().fields().iter().enumerate();
        let read = fields.filter(|(_, field)| is_read(field.name())).map(|(k, _)| k);
        let columns = ProjectionMask::roots(metadata.parquet_schema(), read);
        Ok(Log { path: path.to_owned(), metadata, columns, ids, wanted })
    }

    fn bad(&self, row: u64, problem: impl Into<String>) -> EventError {
        EventError::BadRow { path: self.path.clone(), row, problem: problem.into() }
    }

    /// The row groups that can hold what is wanted, each with its first row's place in the file.
    fn groups(&self) -> Vec<(usize, u64)> {
        let mut groups = Vec::new();
        let mut begins = 0;
        for (number, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            if self.wanted.is_none_or(|wanted| may_hold(group, wanted)) {
                groups.push((number, begins));
            }
            begins = u64::saturating_add(begins, group.num_rows().max(0) as u64);
        }
        groups
    }

    /// Takes a row group apart: as far as it goes.
    fn take_apart(&self, number: usize, first_row: u64) -> Apart {
        let mut apart = Apart::default();
        apart.error = self.take_group(number, first_row, &mut apart).err();
        apart
    }

    fn take_group(&self, number: usize, first_row: u64, apart: &mut Apart) -> Result<(), EventError> {
        self.for_each_batch(number, first_row, &mut |batch| self.take_batch(batch, apart))
    }

    /// The events of a row group.
    fn events(&self, number: usize, first_row: u64) -> Result<Vec<Event>, EventError> {
        let mut events = Vec::new();
        self.for_each_batch(number, first_row, &mut |batch| {
            let columns = self.columns_of(&batch)?;
            for k in 0..batch.rows.num_rows() {
                let event = event(&columns, &batch, k);
                events.push(event.map_err(|problem| self.bad(batch.first_row + k as u64, problem))?);
            }
            Ok(())
        })?;
        Ok(events)
    }

    fn for_each_batch(
        &self,
        number: usize,
        first_row: u64,
        take: &mut dyn FnMut(Batch) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        let parquet = |source| EventError::Parquet { path: self.path.clone(), source };
        // Opened anew: copies of a handle share the place they read at.
        let file = File::open(&self.path);
        let file = file.map_err(|source| EventError::Io { path: self.path.clone(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![number])
            .with_projection(self.columns.clone())
            .with_batch_size(ROWS_AT_ONCE);
        let reader = guarded(|| builder.build()).map_err(parquet)?;
        let mut first_row = first_row;
        for rows in guarded_batches(reader) {
            let rows = rows.map_err(parquet)?;
            let n_rows = rows.num_rows() as u64;
            take(self.batch(rows, first_row)?)?;
            first_row += n_rows;
        }
        Ok(())
    }

    fn columns_of<'b>(&self, batch: &'b Batch) -> Result<Row<'b>, EventError> {
        Row::of(&batch.rows).ok_or_else(|| self.bad(batch.first_row, NOT_EVENTS))
    }

    /// The rows with what the entries of their dictionaries stand for.
    fn batch(&self, rows: RecordBatch, first_row: u64) -> Result<Batch, EventError> {
        let columns = Row::of(&rows).ok_or_else(|| self.bad(first_row, NOT_EVENTS))?;
        let agents = columns.user.values.iter().map(|raw| self.ids.agent(raw.unwrap_or_default())).collect();
        let items = columns.item.values.iter().map(|raw| self.ids.item(raw.unwrap_or_default())).collect();
        Ok(Batch { first_row, agents: Arc::new(agents), items: Arc::new(items), rows: Arc::new(rows) })
    }

    fn take_batch(&self, batch: Batch, apart: &mut Apart) -> Result<(), EventError> {
        let columns = self.columns_of(&batch)?;
        let mut k = 0;
        while k < batch.rows.num_rows() {
            let (round, key) = (columns.round.value(k), columns.user.keys.value(k));
            let is_same =
                |row: &usize| columns.round.value(*row) == round && columns.user.keys.value(*row) == key;
            let end = (k..batch.rows.num_rows()).find(|row| !is_same(row)).unwrap_or(batch.rows.num_rows());
            let rows = k..end;
            k = end;
            if self.wanted.is_some_and(|wanted| {
                wanted.round != round || !wanted.users.contains(&columns.user.text(rows.start))
            }) {
                continue;
            }
            let agent = batch.agent(&columns, rows.start);
            let agent = agent.map_err(|problem| self.bad(batch.first_row + rows.start as u64, problem))?;
            match (&mut apart.head, apart.stories.last_mut()) {
                (Some(_), Some(story)) if story.session.agent == agent && story.session.round == round => {
                    self.apply(story, &batch, &columns, rows)?;
                }
                (Some(head), None) if head.agent == agent && head.round == round => {
                    head.rows.push((batch.clone(), rows));
                }
                (Some(_), _) => {
                    let mut story = Story::new(round, agent);
                    self.apply(&mut story, &batch, &columns, rows)?;
                    apart.stories.push(story);
                }
                (None, _) => {
                    apart.head = Some(Head { round, agent, rows: vec![(batch.clone(), rows)] });
                }
            }
        }
        Ok(())
    }

    fn apply_all(&self, story: &mut Story, head: &Head) -> Result<(), EventError> {
        head.rows.iter().try_for_each(|(batch, rows)| {
            let columns = self.columns_of(batch)?;
            self.apply(story, batch, &columns, rows.clone())
        })
    }

    /// Applies rows to the story they are of.
    fn apply(
        &self,
        story: &mut Story,
        batch: &Batch,
        columns: &Row<'_>,
        rows: std::ops::Range<usize>,
    ) -> Result<(), EventError> {
        let with_words = self.wanted.is_some();
        for k in rows {
            let page = columns.page.value(k);
            let applied = told(columns, batch, k).and_then(|told| {
                if with_words { story.apply(page, told) } else { story.session.apply(page, told) }
            });
            applied.map_err(|problem| self.bad(batch.first_row + k as u64, problem))?;
        }
        Ok(())
    }
}

/// A column of texts as keys into a dictionary.
struct Keyed<'a> {
    keys: &'a Int32Array,
    values: &'a StringArray,
}

impl<'a> Keyed<'a> {
    fn of(rows: &'a RecordBatch, name: &str) -> Option<Self> {
        let column = rows.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
        Some(Keyed { keys: column.keys(), values: column.values().as_string_opt()? })
    }

    /// The place of a text in the dictionary; `None` where there is none.
    fn key(&self, k: usize) -> Option<usize> {
        if self.keys.is_null(k) { None } else { usize::try_from(self.keys.value(k)).ok() }
    }

    /// A text; empty where there is none.
    fn text(&self, k: usize) -> &'a str {
        match self.key(k) {
            Some(key) if key < self.values.len() && !self.values.is_null(key) => self.values.value(key),
            _ => "",
        }
    }
}

/// The columns of a batch that a story needs.
struct Row<'a> {
    round: &'a PrimitiveArray<UInt32Type>,
    user: Keyed<'a>,
    page: &'a PrimitiveArray<UInt32Type>,
    event: Keyed<'a>,
    slot: &'a PrimitiveArray<UInt32Type>,
    item: Keyed<'a>,
    propensity: &'a PrimitiveArray<Float32Type>,
    advertised: &'a BooleanArray,
    aligned: &'a BooleanArray,
    held_out: &'a BooleanArray,
    rating: &'a PrimitiveArray<UInt8Type>,
    satisfaction: &'a PrimitiveArray<Float32Type>,
    fatigue: &'a PrimitiveArray<Float32Type>,
    reason: Keyed<'a>,
    /// Where words are wanted.
    text: Option<Keyed<'a>>,
    /// Where scores are.
    score: Option<&'a PrimitiveArray<Float32Type>>,
}

impl<'a> Row<'a> {
    /// The columns by name; `check_schema` has made sure of names and types.
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let column = |name: &str| batch.column_by_name(name);
        Some(Row {
            round: column("round")?.as_primitive_opt()?,
            user: Keyed::of(batch, "user")?,
            page: column("page")?.as_primitive_opt()?,
            event: Keyed::of(batch, "event")?,
            slot: column("slot")?.as_primitive_opt()?,
            item: Keyed::of(batch, "item")?,
            propensity: column("propensity")?.as_primitive_opt()?,
            advertised: column("advertised")?.as_boolean_opt()?,
            aligned: column("aligned")?.as_boolean_opt()?,
            held_out: column("held_out")?.as_boolean_opt()?,
            rating: column("rating")?.as_primitive_opt()?,
            satisfaction: column("satisfaction")?.as_primitive_opt()?,
            fatigue: column("fatigue")?.as_primitive_opt()?,
            reason: Keyed::of(batch, "reason")?,
            text: Keyed::of(batch, "text"),
            score: column("score").and_then(|scores| scores.as_primitive_opt()),
        })
    }

    fn words(&self, k: usize) -> &'a str {
        self.text.as_ref().map_or("", |text| text.text(k))
    }
}

/// What a row tells; the error says what it cannot mean.
fn told<'a>(columns: &Row<'a>, batch: &Batch, k: usize) -> Result<Told<'a>, String> {
    let slot = (!columns.slot.is_null(k)).then(|| columns.slot.value(k));
    Ok(match columns.event.text(k) {
        "exposure" => {
            let item = batch.item(columns, k)?;
            Told::Exposure {
                slot,
                item,
                aligned: (!columns.aligned.is_null(k)).then(|| columns.aligned.value(k)),
                held_out: !columns.held_out.is_null(k) && columns.held_out.value(k),
                propensity: (!columns.propensity.is_null(k)).then(|| columns.propensity.value(k)),
                advertised: (!columns.advertised.is_null(k)).then(|| columns.advertised.value(k)),
            }
        }
        "watch" => Told::Watch { slot },
        "rating" => Told::Rating {
            slot,
            rating: (!columns.rating.is_null(k)).then(|| columns.rating.value(k)),
            feeling: columns.words(k),
        },
        "reflection" => Told::Reflection {
            satisfaction: columns.satisfaction.value(k),
            fatigue: columns.fatigue.value(k),
            text: columns.words(k),
        },
        "exit" => {
            let name = columns.reason.text(k);
            let reason = ExitReason::from_name(name).ok_or(format!("unknown exit reason {name:?}"))?;
            Told::Exit { reason, text: columns.words(k) }
        }
        "interview" => {
            Told::Interview { satisfaction: columns.satisfaction.value(k) as u8, text: columns.words(k) }
        }
        "failure" => Told::Failure { step: columns.reason.text(k), cause: columns.words(k) },
        "forgetting" => Told::Forgetting { text: columns.words(k) },
        kind => return Err(format!("unknown event {kind:?}")),
    })
}

/// The event that a row was written from.
fn event(columns: &Row<'_>, batch: &Batch, k: usize) -> Result<Event, String> {
    let agent = batch.agent(columns, k)?;
    let item = || batch.item(columns, k);
    let place = |slot: Option<u32>| slot.ok_or("no slot, expected one".to_owned());
    let own = |text: &str| Text::Owned(text.to_owned());
    let what = match told(columns, batch, k)? {
        Told::Exposure { slot, item, aligned, held_out, propensity, advertised } => {
            let score = columns.score.filter(|scores| !scores.is_null(k)).map(|scores| scores.value(k));
            let score = score.ok_or("no score, expected one")?;
            What::Exposure { slot: place(slot)?, item, score, propensity, advertised, aligned, held_out }
        }
        Told::Watch { slot } => What::Watch { slot: place(slot)?, item: item()? },
        Told::Rating { slot, rating, feeling } => {
            let rating = rating.ok_or("no rating, expected one")?;
            What::Rating { slot: place(slot)?, item: item()?, rating, feeling: own(feeling) }
        }
        Told::Reflection { satisfaction, fatigue, text } => {
            What::Reflection { satisfaction, fatigue, text: own(text) }
        }
        Told::Forgetting { text } => What::Forgetting { text: own(text) },
        Told::Exit { reason, text } => What::Exit { reason, text: own(text) },
        Told::Interview { satisfaction, text } => What::Interview { satisfaction, text: own(text) },
        Told::Failure { step, cause } => What::Failure { step: own(step), cause: own(cause) },
    };
    Ok(Event { round: columns.round.value(k), agent, page: columns.page.value(k), what })
}

#[cfg(test)]
mod tests;
