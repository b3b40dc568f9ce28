use super::{
    BadRow, Offset, Options, Ready, SourceError,
    batch::Batches,
    json::{is_not_shorter, shown},
    lines::Lines,
    octets::Octets,
};
use arrow_array::{ArrayRef, RecordBatch, builder::StringBuilder};
use arrow_schema::{DataType, Field, Schema};
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Lines that are made columns at once.
const CHUNK: usize = 1 << 11;

/// CSV (RFC 4180) with a line of names first, read strictly: commas, quotes around whole fields alone, no line break in a field, UTF-8, as many
/// fields as there are names. An empty field is none.
pub(super) struct Csv {
    path: PathBuf,
    lines: Lines<Octets>,
    /// Once the names have been read.
    columns: Option<Columns>,
    options: Options,
    offset: Offset,
}

struct Columns {
    names: usize,
    batches: Batches,
    schema: Arc<Schema>,
    /// Which fields of a line are read.
    used: Vec<usize>,
    builders: Vec<StringBuilder>,
    /// The lines that are in the builders, and those that are bad.
    pending: Vec<Pending>,
}

struct Pending {
    number: u64,
    done: u64,
    text: Box<[u8]>,
    bad: Option<String>,
}

impl Csv {
    pub(super) fn new(
        octets: Octets,
        path: PathBuf,
        options: &Options,
        offset: &Offset,
    ) -> Result<Self, SourceError> {
        let (options, offset) = (options.clone(), offset.clone());
        Ok(Self { path, lines: Lines::new(octets, 0, 0), columns: None, options, offset })
    }

    pub(super) fn fill(&mut self, ready: &mut VecDeque<Ready>) -> Result<bool, SourceError> {
        if !self.has_names(false)? {
            return Ok(false);
        }
        let Self { path, lines, columns: Some(columns), .. } = self else { return Ok(false) };
        while columns.pending.len() < CHUNK {
            match lines.next().map_err(SourceError::io(path))? {
                Some(line) => columns.add(line.text.map_err(|bad| bad.to_string()), line.number, line.done),
                None => break,
            }
        }
        columns.finish(path, ready)?;
        if ready.is_empty() {
            is_not_shorter(lines, path)?;
        }
        Ok(!ready.is_empty())
    }

    pub(super) fn finish(&mut self, ready: &mut VecDeque<Ready>) -> Result<(), SourceError> {
        self.has_names(true)?;
        let Self { path, lines, columns: Some(columns), .. } = self else { return Ok(()) };
        if let Some(line) = lines.last() {
            columns.add(line.text.map_err(|bad| bad.to_string()), line.number, line.done);
        }
        columns.finish(path, ready)
    }

    /// Reads the names, and goes to where the source was left; false where they have not come.
    fn has_names(&mut self, is_last: bool) -> Result<bool, SourceError> {
        if self.columns.is_some() {
            return Ok(true);
        }
        let path = &self.path;
        let refused = |why: String| SourceError::Columns { path: path.clone(), why };
        let line = match self.lines.next().map_err(SourceError::io(path))? {
            None if is_last => self.lines.last(),
            line => line,
        };
        let Some(line) = line else { return Ok(false) };
        let (text, done, number) =
            (line.text.map_err(|bad| refused(bad.to_string()))?, line.done, line.number);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let names = std::str::from_utf8(text).map_err(|_| refused("the names are no UTF-8".into()))?;
        let mut all = Vec::new();
        split(names, |name| all.push(name.to_owned())).map_err(|why| refused(why.to_owned()))?;
        self.columns = Some(Columns::new(&all, &self.options).map_err(refused)?);
        if self.offset.done > done {
            if !self.lines.input().go_to(self.offset.done, done).map_err(SourceError::io(path))? {
                return Err(SourceError::Shorter { path: path.clone() });
            }
            self.lines.go_on(self.offset.done, self.offset.lines.max(number));
        }
        Ok(true)
    }
}

impl Columns {
    fn new(names: &[String], options: &Options) -> Result<Self, String> {
        let used = super::columns::used(names, options)?;
        let fields =
            used.iter().filter_map(|at| names.get(*at)).map(|name| Field::new(name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let builders = used.iter().map(|_| StringBuilder::new()).collect();
        let batches = Batches::new(options);
        Ok(Self { names: names.len(), batches, schema, used, builders, pending: Vec::new() })
    }

    /// Adds a line; one that is bad has empty columns.
    fn add(&mut self, text: Result<&[u8], String>, number: u64, done: u64) {
        if text.as_ref().is_ok_and(|text| text.is_empty()) {
            return;
        }
        let octets = *text.as_ref().unwrap_or(&&[][..]);
        let bad = text.and_then(|text| self.fields(text)).err();
        let used = self.pending.len() + 1;
        if bad.is_some() {
            self.builders
                .iter_mut()
                .filter(|builder| builder_len(builder) < used)
                .for_each(StringBuilder::append_null);
        }
        let kept = octets.get(..octets.len().min(1024)).unwrap_or_default();
        self.pending.push(Pending { number, done, text: kept.into(), bad });
    }

    fn fields(&mut self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|_| "the line is no UTF-8".to_owned())?;
        let mut spans = Vec::with_capacity(self.names);
        split(text, |field| spans.push(field.to_owned()))?;
        if spans.len() != self.names {
            return Err(format!("it has {} fields, and there are {} names", spans.len(), self.names));
        }
        for (builder, at) in self.builders.iter_mut().zip(&self.used) {
            builder.append_option(spans.get(*at).filter(|field| !field.is_empty()));
        }
        Ok(())
    }

    /// Makes rows of what was added.
    fn finish(&mut self, path: &Path, ready: &mut VecDeque<Ready>) -> Result<(), SourceError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let arrays = self.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let refused = |why: String| SourceError::Columns { path: path.to_owned(), why };
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(self.pending.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options);
        let batch = batch.map_err(|error| refused(error.to_string()))?;
        let mut rows = self.batches.of(&batch).map_err(refused)?;
        for (row, Pending { number, done, text, bad }) in self.pending.drain(..).enumerate() {
            let given = bad.map_or_else(|| rows.get(row), Err);
            let bad = |why| Box::new(BadRow { file: path.to_owned(), line: number, why, text: shown(&text) });
            ready.push_back(Ready { given: given.map_err(bad), done, lines: number });
        }
        Ok(())
    }
}

fn builder_len(builder: &StringBuilder) -> usize {
    arrow_array::builder::ArrayBuilder::len(builder)
}

/// The fields of one line.
pub(super) fn split(line: &str, mut each: impl FnMut(&str)) -> Result<(), &'static str> {
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, behind) =
                rest.split_once(',').map_or((rest, None), |(field, behind)| (field, Some(behind)));
            if field.contains('"') {
                return Err("a quote within a field that does not begin with one");
            }
            each(field);
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(()),
            }
            continue;
        };
        let mut field = String::new();
        let mut inside = quoted;
        rest = loop {
            let (before, behind) = inside.split_once('"').ok_or("a quote that does not end in its line")?;
            field.push_str(before);
            match behind.strip_prefix('"') {
                Some(behind) => {
                    field.push('"');
                    inside = behind;
                }
                None => break behind,
            }
        };
        each(&field);
        match (rest.is_empty(), rest.strip_prefix(',')) {
            (true, _) => return Ok(()),
            (false, Some(behind)) => rest = behind,
            (false, None) => return Err("something behind the quote that ends a field"),
        }
    }
}
